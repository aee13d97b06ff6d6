"""Rows of image folders in another folder: the files as they are, the rows with columns of their own."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from harness.artifact import Artifact, Json
from harness.data.image_folder import METADATA, Row, rows
from harness.errors import StageError


class Labelled(NamedTuple):
    """A row that has a class."""

    row: Row
    label: str


class Copy(NamedTuple):
    """A row, what it is called in the new folder, and what its columns are there, beside label and captions."""

    of: Labelled
    name: str
    columns: Mapping[str, Json]


def labelled(images: Artifact, what: str) -> list[Labelled]:
    """The rows of an image folder, each with its class.

    Args:
        images: the folder.
        what: names it in messages.

    Raises:
        StageError: no rows, or one without a class.
    """
    found = []
    for row in rows(images):
        if not row.label:
            raise StageError(f"{what}: {row.name} has no class; draw prompts from rows that have a label")
        found.append(Labelled(row, row.label))
    if not found:
        raise StageError(f"{what}: no images")
    return found


def classes_of(found: Iterable[Labelled]) -> list[str]:
    """The classes that occur, in alphabetical order."""
    return sorted({label for _, label in found})


def per_class(found: Iterable[Labelled], classes: Iterable[str]) -> dict[str, Json]:
    """Images of each class, in the classes' order."""
    counts = Counter(label for _, label in found)
    return {name: counts[name] for name in classes}


def copy(copies: Iterable[Copy], folder: Path) -> None:
    """Write an image folder."""
    with (folder / METADATA).open("w", encoding="utf-8") as lines:
        for (row, label), name, columns in copies:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(row.path, target)
            captions: dict[str, Json] = {"captions": row.captions} if row.captions else {}
            line = {"file_name": name, "label": label, **captions, **columns}
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")
