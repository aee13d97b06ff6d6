"""Images that a list in their folder names: ``metadata.jsonl``, ``metadata.csv`` or ``metadata.parquet``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from harness.artifact import Json
from harness.errors import StageError, UsageError
from harness.formats import tables
from harness.formats.image_folder import METADATA
from harness.formats.names import folded, spelled
from harness.formats.strict_json import loads
from harness.sources.content import files_of
from harness.stages.data.folders.by_class import label_files

LISTS = (METADATA, "metadata.csv", "metadata.parquet")


class Listed(NamedTuple):
    """A row of the list."""

    name: str
    """The image's path in the folder, as the folder spells it."""
    path: Path
    value: Any
    """The value of the column that was asked for."""
    where: str
    cells: Mapping[str, Any]


def list_of(root: Path) -> Path | None:
    """The list in a folder, or None.

    Raises:
        StageError: several lists.
    """
    held = [root / name for name in LISTS if (root / name).is_file()]
    if len(held) > 1:
        raise StageError(f"{root}: {' and '.join(file.name for file in held)}; keep the one to read")
    return held[0] if held else None


def listed(root: Path, column: str) -> Iterator[Listed]:
    """The rows of the list with one column; names must be unique, and files inside the folder.

    Raises:
        StageError: no list, or a row that does not name an image and have the column; names file and row.
    """
    file = list_of(root)
    if file is None:
        raise StageError(
            f"{root}: no {METADATA} with rows like {{'file_name': …, {column!r}: …}}{_elsewhere(root)}"
        )
    content: dict[str, str] = {}
    for own in files_of(root):
        if (other := content.setdefault(spelled(own), own)) != own:
            raise StageError(f"{root}: {other!a} and {own!a} are one name in two Unicode forms; rename one")
    seen: dict[str, tuple[str, Path, str]] = {}
    for row in tables.rows(file):
        name = row.cells.get("file_name")
        if not isinstance(name, str) or not name:
            lacks = "" if "file_name" in row.cells else f", only {', '.join(row.cells)}"
            raise StageError(f"{row.where}: not a row of an image ('file_name' is not a text{lacks})")
        value = _cell(row[column], f"{row.where}: {column}") if tables.is_text(file) else row[column]
        own, path = _file(root, name, content, row.where)
        first = seen.setdefault(folded(name), (spelled(name), path, row.where))
        # Two files may differ in case where the system tells them apart; one file may not stand twice.
        if first[2] != row.where and (first[0] == spelled(name) or first[1].samefile(path)):
            raise StageError(f"{row.where}: {name} a second time, first at {first[2]}")
        yield Listed(own, path, value, row.where, row.cells)
    if not seen:
        raise StageError(f"{file}: no rows")


def _cell(text: str, where: str) -> str | list[str]:
    """A cell of CSV, which may hold a list of sentences as JSON.

    Raises:
        StageError: a list as Python or NumPy print it, which would pass for one sentence.
    """
    try:
        found = loads(text, "") if text.startswith("[") else None
    except UsageError:
        if text.startswith(("['", '["')) and text.endswith(("']", '"]')):
            raise StageError(f'{where} is {text!r:.60}, a list but not of JSON; write ["…", "…"]') from None
        return text
    return found if isinstance(found, list) and all(isinstance(t, str) for t in found) else text


def _file(root: Path, name: str, content: Mapping[str, str], where: str) -> tuple[str, Path]:
    """An image's path in the folder and on the disk. Unicode forms may differ: file systems change them."""
    inside = os.path.normpath(name)
    if os.path.isabs(inside) or inside.startswith(".."):
        raise StageError(f"{where}: {name} leads out of the folder")
    if (own := content.get(spelled(name))) is not None:
        return own, root / own
    if not _is_file(root / name):
        raise StageError(f"{where}: no file {name[:200]}{_nearest(name, content)}")
    # A name in another case, on a system that is blind to it, or a file that is no part of the source.
    for own in content.values():
        if folded(own) == folded(name):
            return own, root / own
    raise StageError(f"{where}: {name} is hidden, which keeps it out of what the folder is known by")


def _nearest(name: str, content: Mapping[str, str]) -> str:
    if len(name) >= 200:
        return ""
    if (own := content.get(spelled(name.replace("\\", "/")))) is not None:
        return f"; write / between folders: {own}"
    alike = [own for own in content.values() if folded(own) == folded(name)]
    return f"; did you mean {alike[0]!r}?" if alike else ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False


def _elsewhere(root: Path) -> str:
    """Where there is a list instead."""
    if not root.is_dir():
        return "; the source is a file, expected a folder"
    inner = [name for name in files_of(root) if PurePosixPath(name).name in LISTS]
    return f"; name the folder {root.name}/{PurePosixPath(inner[0]).parent} as the source" if inner else ""


def unlisted(root: Path, rows: Iterable[str]) -> dict[str, Json]:
    """Facts about files that the list does not name: their number by suffix, and a warning for other label files."""
    files = files_of(root)
    images = {name: files[name] for name in rows}
    file = list_of(root)
    others = {
        name: path for name, path in files.items() if name not in images and (file is None or path != file)
    }
    named = label_files(others, images)
    told: list[Json] = []
    if named and file is not None:
        more = f" and {len(named) - 1} more" if len(named) > 1 else ""
        told = [f"{named[0]}{more}: not read, since {file.name} names the images"]
    unread = Counter(PurePosixPath(name).suffix or name for name in others)
    return {"unread": dict(unread), **({"warnings": told} if told else {})}
