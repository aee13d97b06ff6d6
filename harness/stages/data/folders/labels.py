"""Classes of image folders: checking them, changing them, holding out a part of the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.artifact import Images, Json, LabelledImages
from harness.compute.seeds import drawn
from harness.errors import StageError, nearest
from harness.formats.image_folder import Row, Writer, rows
from harness.formats.names import refuse_alike
from harness.stage import Count, Fraction, Job, Seed, stage


def class_facts(labels: Mapping[str, int], classes: Iterable[str], where: object) -> dict[str, Json]:
    """``classes`` in order, ``count`` and ``per_class`` as facts.

    Args:
        labels: number of images of each class.
        classes: their names, in index order.
        where: the data's name in messages.

    Raises:
        StageError: fewer than two classes, two of one name, or one without images.
    """
    names = list(classes)
    refuse_alike(names, where)
    if len(names) < 2:
        raise StageError(f"{where}: one class only ({', '.join(names) or 'none'}); a classifier needs two")
    empty = [name for name in names if not labels.get(name)]
    if empty:
        raise StageError(f"{where}: no image of class {empty[0]!r}")
    return {"classes": names, "count": sum(labels.values()), "per_class": {n: labels[n] for n in names}}


class Split(NamedTuple):
    train: LabelledImages
    held_out: LabelledImages


@stage(version=1)
def relabel(
    images: Images, *, classes: Mapping[str, tuple[str, ...]] | None = None, job: Job
) -> LabelledImages:
    """Give images the classes of another scheme, many to one; or turn images with labels into a labelled set.

    Images of a class that no list names, and images without a class, are left out and counted in the facts.

    Args:
        images: with ``label`` in their rows.
        classes: new class → the old classes it includes. Its order is the order of the classes. Null keeps every
            class as it is, in alphabetical order.

    Raises:
        StageError: a listed class that does not occur, or is listed twice; fewer than two new classes, or
            one without images.
    """
    every = list(rows(images))
    present = Counter(row.label for row in every)
    known = sorted(label for label in present if label is not None)
    if classes is None:
        classes = {label: (label,) for label in known}
    new_of: dict[str, str] = {}
    for new, olds in classes.items():
        for old in olds:
            if new_of.setdefault(old, new) != new or olds.count(old) > 1:
                raise StageError(f"classes: {old!r} is listed twice, under {new_of[old]!r} and {new!r}")
    for old, new in new_of.items():
        if old not in present:
            raise StageError(f"classes: no image has the class {old!r} (for {new!r}){nearest(old, known)}")
    kept = [(row, new_of[row.label]) for row in every if row.label in new_of]
    facts = class_facts(Counter(new for _, new in kept), classes, "classes")
    left = {label: present[label] for label in known if label not in new_of}
    folder = job.folder()
    _copy(kept, folder, job)
    return LabelledImages(folder, {**facts, "unmapped": left, "unlabelled": present[None]})


@stage(version=1)
def split(
    images: LabelledImages,
    *,
    held_out: Count | Fraction,
    stratified: bool = True,
    seed: Seed = 0,
    job: Job,
) -> Split:
    """Hold out a part of the images.

    Args:
        images: with their classes.
        held_out: how many (a whole number), or which share of them (0 to 1, rounded to the nearest image).
        stratified: take the same share of every class, to the nearest image; else any images.
        seed: decides which images are drawn.

    Raises:
        StageError: a class would be missing on either side, or a side would be empty.
    """
    every = {row.name: row for row in rows(images)}
    wanted = held_out if isinstance(held_out, int) else round(held_out * len(every))
    if not 0 < wanted < len(every):
        raise StageError(f"held_out: {wanted} of {len(every)} images leaves one side empty")
    order = drawn(every, seed)
    taken = frozenset(_stratified(order, every, wanted) if stratified else order[:wanted])
    sides = {
        "train": [row for name, row in every.items() if name not in taken],
        "held_out": [row for name, row in every.items() if name in taken],
    }
    made = {}
    for side, members in sides.items():
        kept = [(row, _label(row)) for row in members]
        facts = class_facts(Counter(label for _, label in kept), declared_classes(images), side)
        folder = job.folder(side)
        _copy(kept, folder, job)
        made[side] = LabelledImages(folder, facts)
    return Split(**made)


def _stratified(order: Iterable[str], every: Mapping[str, Row], wanted: int) -> list[str]:
    """``wanted`` names, shared among the classes by size: whole numbers by largest remainder, ties by class name."""
    members: dict[str, list[str]] = {}
    for name in order:
        members.setdefault(_label(every[name]), []).append(name)
    quotas = {label: divmod(wanted * len(names), len(every)) for label, names in sorted(members.items())}
    missing = wanted - sum(whole for whole, _ in quotas.values())
    largest = sorted(quotas, key=lambda label: -quotas[label][1])[:missing]
    return [n for label, (whole, _) in quotas.items() for n in members[label][: whole + (label in largest)]]


def _label(row: Row) -> str:
    if row.label is None:
        raise StageError(f"{row.path}: no class")
    return row.label


def declared_classes(images: LabelledImages) -> list[str]:
    """The classes of labelled images, in index order."""
    classes = images.facts["classes"]
    assert isinstance(classes, list | tuple)
    return [str(name) for name in classes]


def _copy(kept: Sequence[tuple[Row, str]], folder: Path, job: Job) -> None:
    """Copy images unchanged, with the label given; a different old label is kept as ``label_before``."""
    with Writer(folder) as out:
        for row, label in kept:
            captions: dict[str, Json] = {"captions": row.captions} if row.captions else {}
            before: dict[str, Json] = {"label_before": row.label} if row.label != label else {}
            out.copy(row.path, row.name, **{"label": label, **row.columns, **captions, **before})
            job.progress(out.count, len(kept), "images")
