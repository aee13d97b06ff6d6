"""Which images there are and what they are called: other classes, a held-out part."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from harness.artifact import Images, Json, LabelledImages
from harness.data.folders.classes import class_facts
from harness.data.image_folder import METADATA, Row, rows
from harness.data.order import drawn
from harness.errors import StageError, nearest
from harness.stage import Count, Fraction, Job, Seed, stage


class Split(NamedTuple):
    train: LabelledImages
    held_out: LabelledImages


@stage(version=1)
def relabel(
    images: Images, *, classes: Mapping[str, tuple[str, ...]] | None = None, job: Job
) -> LabelledImages:
    """Give images the classes of another scheme, many to one; or make what has labels a labelled set.

    Images of a class that no list names are left out and counted in the facts, as are images without any.

    Args:
        images: with ``label`` in their rows.
        classes: new class → the old ones it takes in. Its order is the order of the classes. Null keeps every
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
        held_out: how many (a whole number), or which part of them (0 to 1, rounded to the nearest image).
        stratified: take the same part of every class, to the nearest image; else any images.
        seed: which ones.

    Raises:
        StageError: a class would be missing on either side, or nothing be left.
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
        facts = class_facts(Counter(label for _, label in kept), _classes(images), side)
        folder = job.folder(side)
        _copy(kept, folder, job)
        made[side] = LabelledImages(folder, facts)
    return Split(**made)


def _stratified(order: Iterable[str], every: Mapping[str, Row], wanted: int) -> list[str]:
    """``wanted`` names, of each class its share: whole numbers by largest remainder, ties by class name."""
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


def _classes(images: LabelledImages) -> list[str]:
    classes = images.facts["classes"]
    assert isinstance(classes, list | tuple)
    return [str(name) for name in classes]


def _copy(kept: Iterable[tuple[Row, str]], folder: Path, job: Job) -> None:
    """Images as they are, with the label given; an old one that differs is kept as ``label_before``."""
    kept = list(kept)
    with (folder / METADATA).open("w", encoding="utf-8") as lines:
        for done, (row, label) in enumerate(kept, start=1):
            (folder / row.name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(row.path, folder / row.name)
            columns: dict[str, Json] = {"file_name": row.name, "label": label, **row.columns}
            if row.captions:
                columns["captions"] = row.captions
            if row.label != label:
                columns["label_before"] = row.label
            lines.write(json.dumps(columns, ensure_ascii=False) + "\n")
            job.progress(done, len(kept), "images")
