"""Puts the files of a new project into a folder: all of them, or none; a file that is there is never touched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from harness.errors import UsageError
from harness.formats.escapes import visible

NAMED = 3
"""How many files that are in the way are named."""


def place(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder, which is made if it is not there.

    Args:
        folder: may hold other files.
        files: relative path with ``/`` → content.

    Raises:
        UsageError: one of the files is there already, or the folder cannot be written. Nothing is written then.
    """
    taken = [name for name in files if _is_taken(folder, name)]
    if taken:
        named = ", ".join(taken[:NAMED]) + (f" and {len(taken) - NAMED} more" if len(taken) > NAMED else "")
        has = "is" if len(taken) == 1 else "are"
        raise UsageError(
            f"{visible(str(folder))}: {named} {has} there already; nothing was written, name an empty folder"
        )
    made: list[Path] = []
    try:
        root = folder.resolve()  # of a/../b, only b is made
        for name, content in files.items():
            path = root / name
            _make_folder(path.parent, made)
            with path.open("xb") as file:
                made.append(path)
                file.write(content)
    except OSError as e:
        _remove(made)
        raise UsageError(
            f"{visible(str(folder))}: cannot be written ({e.strerror or e}); nothing was written"
        ) from None
    except BaseException:  # Ctrl-C, or a signal
        _remove(made)
        raise


def _is_taken(folder: Path, name: str) -> bool:
    """Whether there is something at a file's place, or something other than a folder above it."""
    above = [folder / parent for parent in PurePosixPath(name).parents if str(parent) != "."]
    return os.path.lexists(folder / name) or any(os.path.lexists(p) and not p.is_dir() for p in above)


def _make_folder(folder: Path, made: list[Path]) -> None:
    for each in (*reversed(folder.parents), folder):
        if not each.is_dir():
            each.mkdir()
            made.append(each)


def _remove(made: list[Path]) -> None:
    """Remove what was made, the latest first; what others put into a folder meanwhile stays."""
    for path in reversed(made):
        try:
            path.rmdir() if path.is_dir() else path.unlink()
        except OSError:
            continue
