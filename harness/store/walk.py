"""All files below a folder, through links, and what could not be looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

Failed = Callable[[OSError], None]


def files_below(folder: Path, failed: Failed) -> Iterator[Path]:
    """The files below a folder. Each folder is entered once, so links cannot lead in a circle.

    Links to folders are followed last: what can be named without a link is named so.

    Args:
        folder: where to begin.
        failed: called for each folder that cannot be listed (also for ``folder``, if it does not exist), and for each
            link that cannot be followed.
    """
    entered: set[tuple[int, int]] = set()
    waiting = [folder]
    for top in waiting:  # links are appended meanwhile
        for place, inner, names in os.walk(top, onerror=failed):
            status = _stat(place, failed)
            if status is None or (status.st_dev, status.st_ino) in entered:
                inner.clear()
                continue
            entered.add((status.st_dev, status.st_ino))
            inner.sort()
            waiting += [Path(place, name) for name in inner if os.path.islink(os.path.join(place, name))]
            for name in sorted(names):
                path = Path(place, name)
                if not path.is_symlink() or _stat(path, failed):
                    yield path


def _stat(path: str | Path, failed: Failed) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError as e:
        failed(e)
        return None
