"""Join real and generated images in one folder to train on them together; files are copied, rows get new columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.artifact import Artifact, Json, LabelledImages
from harness.errors import StageError, nearest
from harness.formats.image_folder import Row, Writer, rows
from harness.stage import Job, stage
from harness.stages.data.folders.labels import class_facts, declared_classes


class Labelled(NamedTuple):
    """A row and its class."""

    row: Row
    label: str


class Copy(NamedTuple):
    """A row to copy, its name in the new folder, and its columns there in addition to label and captions."""

    of: Labelled
    name: str
    columns: Mapping[str, Json]


def labelled(images: Artifact, what: str) -> list[Labelled]:
    """The rows of an image folder, each with its class.

    Args:
        images: the folder.
        what: the folder's name in messages.

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
    """Number of images of each class, in the order of the classes."""
    counts = Counter(label for _, label in found)
    return {name: counts[name] for name in classes}


def copy(copies: Iterable[Copy], folder: Path) -> None:
    """Write an image folder with copies of the files."""
    with Writer(folder) as out:
        for (row, label), name, columns in copies:
            captions: dict[str, Json] = {"captions": row.captions} if row.captions else {}
            out.copy(row.path, name, **{"label": label, **captions, **columns})


@stage(version=1)
def join(parts: tuple[LabelledImages, ...], *, origins: tuple[str, ...], job: Job) -> LabelledImages:
    """Put images of several origins together, unchanged. Sizes may differ, which suits a classifier that crops.

    Every row has its ``origin``, and every image is in a folder of that name, so that names are unique.

    Args:
        parts: all with the same classes; the order of the classes is that of the first part.
        origins: the name of each part, in their order: ``[real, synthetic]``.
        job: gives the output folder.

    Raises:
        StageError: the number of names differs from that of the parts, a name is repeated or cannot be a folder's name,
            a class is not in all parts, or a part has no image.
    """
    _check_origins(origins, len(parts))
    classes = declared_classes(parts[0])
    found: list[tuple[str, Labelled]] = []
    made: dict[str, Json] = {}
    for origin, part in zip(origins, parts, strict=True):
        _same_classes(classes, declared_classes(part), origin)
        members = labelled(part, origin)
        found += [(origin, image) for image in members]
        made[origin] = {"count": len(members), "per_class": per_class(members, classes)}
    facts = class_facts(Counter(image.label for _, image in found), classes, "parts")
    folder = job.folder()
    copy(
        (
            Copy(image, f"{origin}/{image.row.name}", {**image.row.columns, "origin": origin})
            for origin, image in found
        ),
        folder,
    )
    return LabelledImages(folder, {**facts, "origins": made})


def _check_origins(origins: Sequence[str], parts: int) -> None:
    if len(origins) != parts:
        raise StageError(f"origins: {len(origins)} names for {parts} parts; expected one for each")
    for origin in origins:
        if not origin.replace("-", "").replace("_", "").isalnum():
            raise StageError(f"origins: {origin!r} cannot be a folder's name; letters, digits, - and _ can")
        if origins.count(origin) > 1:
            raise StageError(f"origins: {origin!r} stands twice")


def _same_classes(first: Sequence[str], classes: Sequence[str], origin: str) -> None:
    for name in sorted(set(first) ^ set(classes)):
        has, lacks = ("has", first) if name in classes else ("lacks", classes)
        close = nearest(name, lacks)
        raise StageError(
            f"{origin}: it {has} the class {name!r}, unlike the others{close}; see folders.relabel"
        )
