"""Everything that is installed beside the harness, as one digest and the list behind it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from harness.artifact import Json
from harness.errors import UsageError
from harness.formats import files, strict_json
from harness.formats.strict_json import canonical

_METADATA = re.compile(r"(?P<name>.+?)(?:-(?P<version>\d[^-]*)(?:-.*)?)?\.(?:dist|egg)-info")
FOLDER = "distributions"
"""In the store: the list behind each digest."""


@cache
def distributions() -> Mapping[str, str]:
    """Distribution → version, of all that this process could import, by name.

    Read off the names of their metadata's folders, which takes a millisecond; opening each takes a second.
    """
    found: dict[str, str] = {}
    for place in sys.path:
        with suppress(OSError), os.scandir(place or ".") as entries:
            for match in filter(None, (_METADATA.fullmatch(entry.name) for entry in entries)):
                name = re.sub(r"[-_.]+", "-", match["name"]).lower()
                found.setdefault(name, match["version"] or "unknown")
    return dict(sorted(found.items()))


def digest(listed: Mapping[str, Json]) -> str:
    """What stands for a list in an environment: 12 hexadecimal digits."""
    return sha256(f"harness/distributions/1:{canonical(listed)}".encode()).hexdigest()[:12]


def keep(root: Path, listed: Mapping[str, Json]) -> None:
    """Put a list into the store at ``root``, once.

    Raises:
        OSError: it cannot be written.
    """
    file = root / FOLDER / f"{digest(listed)}.json"
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write(file, json.dumps(listed, indent=0))


def kept(root: Path, digests: Iterable[str]) -> dict[str, dict[str, Json]]:
    """The lists behind digests, as far as the store at ``root`` has them."""
    found: dict[str, dict[str, Json]] = {}
    for name in sorted(set(digests)):
        with suppress(UsageError):
            listed = strict_json.read(root / FOLDER / f"{name}.json")
            if isinstance(listed, dict) and digest(listed) == name:
                found[name] = listed
    return found
