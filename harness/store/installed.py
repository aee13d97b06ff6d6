"""Everything installed in the harness's environment, as a digest and the list that it stands for."""

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
"""Folder in the store with the list behind each digest."""


@cache
def distributions() -> Mapping[str, str]:
    """Distribution → version, for all that this process could import, by name.

    It is read from the folder names of their metadata, which takes a millisecond; opening each folder takes a second.
    """
    found: dict[str, str] = {}
    for place in sys.path:
        with suppress(OSError), os.scandir(place or ".") as entries:
            for match in filter(None, (_METADATA.fullmatch(entry.name) for entry in entries)):
                name = re.sub(r"[-_.]+", "-", match["name"]).lower()
                found.setdefault(name, match["version"] or "unknown")
    return dict(sorted(found.items()))


def digest(listed: Mapping[str, Json]) -> str:
    """The digest of a list, as used in environments: 12 hexadecimal digits."""
    return sha256(f"harness/distributions/1:{canonical(listed)}".encode()).hexdigest()[:12]


def keep(root: Path, listed: Mapping[str, Json]) -> None:
    """Write a list into the store at ``root``, unless it is there.

    Raises:
        OSError: the list cannot be written.
    """
    file = root / FOLDER / f"{digest(listed)}.json"
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write(file, json.dumps(listed, indent=0))


def kept(root: Path, digests: Iterable[str]) -> dict[str, dict[str, Json]]:
    """The lists behind digests that the store at ``root`` has."""
    found: dict[str, dict[str, Json]] = {}
    for name in sorted(set(digests)):
        with suppress(UsageError):
            listed = strict_json.read(root / FOLDER / f"{name}.json")
            if isinstance(listed, dict) and digest(listed) == name:
                found[name] = listed
    return found
