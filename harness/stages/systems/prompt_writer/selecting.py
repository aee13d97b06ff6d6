"""Prompts drawn from what there is: real captions of each class, or prompts of other writers.

A larger number begins with the same prompts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, islice

from harness.artifact import Captions, Json, Prompts
from harness.compute.seeds import drawn
from harness.errors import StageError, nearest
from harness.formats import prompts as table
from harness.formats.image_folder import rows
from harness.formats.prompts import Prompt
from harness.stage import Count, Job, Seed, stage
from harness.stages.systems.prompt_writer.drafting import one_line, words

WRITER = "captions"


@stage(version=1)
def from_captions(
    captions: Captions,
    *,
    classes: tuple[str, ...] | Mapping[str, tuple[str, ...]] | None = None,
    per_class: Count,
    seed: Seed = 0,
    job: Job,
) -> Prompts:
    """Use captions of each class as its prompts, all different within a class.

    Rows are drawn without replacement, and one sentence of each. A larger ``per_class`` begins with the same prompts.

    Args:
        captions: rows with a label, such as scenes or RSICD. Use the training split if images made from the prompts
            are compared with held-out ones.
        classes: the classes; null: all labels, sorted by name. A mapping assigns labels to the classes of another
            scheme, many to one, as ``folders.relabel`` does for images: ``{Bare Land: [bareland, desert]}``.
        per_class: prompts of each class.
        seed: seed for the draw of rows and of their sentences.
        job: provides device, folders and log.

    Raises:
        StageError: no labels; a class without rows, or listed twice; fewer different captions of a class than
            ``per_class``.
    """
    of: dict[str, dict[str, list[str]]] = {}
    unlabelled = 0
    for row in rows(captions):
        if row.label is None:
            unlabelled += 1
        else:
            of.setdefault(row.label, {})[row.name] = [one_line(sentence) for sentence in row.captions]
    if not of:
        raise StageError("captions: no row has a label, so no class has captions")
    taken = _taken(classes, sorted(of))
    prompts: list[table.Prompt] = []
    for label, labels in taken.items():
        rows_of = {name: said for one in labels for name, said in of[one].items()}
        texts = _different(rows_of, seed)
        if len(texts) < per_class:
            raise StageError(
                f"per_class: {per_class}, but the {len(rows_of)} rows of {label} have {len(texts)} different "
                "captions to draw; prompt_writer.select can use them repeatedly"
            )
        prompts += [
            table.Prompt(table.name(label, i), text, label, WRITER)
            for i, text in enumerate(texts[:per_class])
        ]
    folder = job.folder()
    table.write(folder, prompts)
    drawn_from: dict[str, Json] = {n: sum(len(of[one]) for one in labels) for n, labels in taken.items()}
    return Prompts(folder, facts={**table.count(prompts), "rows": drawn_from, "unlabelled": unlabelled})


def _taken(
    classes: tuple[str, ...] | Mapping[str, tuple[str, ...]] | None, known: list[str]
) -> dict[str, tuple[str, ...]]:
    """The labels whose rows belong to each class of the prompts."""
    named = known if classes is None else list(classes)
    table.check_classes(named)
    scheme: dict[str, tuple[str, ...]] = {label: (label,) for label in named}
    if isinstance(classes, Mapping):
        scheme = dict(classes)
    labels = [label for taken in scheme.values() for label in taken]
    for label in labels:
        if label not in known:
            raise StageError(f"classes: no caption is of {label!r}{nearest(label, known)}")
        if labels.count(label) > 1:
            raise StageError(f"classes: {label!r} is taken twice")
    return scheme


def _different(sentences: dict[str, list[str]], seed: int) -> list[str]:
    """One sentence of each row, in the order of the draw, without repetitions of earlier ones."""
    found: dict[str, str] = {}
    for name in drawn(sentences, seed):
        named = {f"{name}#{i}": text for i, text in enumerate(sentences[name]) if words(text)}
        for chosen in drawn(named, seed)[:1]:
            found.setdefault(words(named[chosen]), named[chosen])
    return list(found.values())


@stage(version=1)
def select(prompts: Prompts, *, counts: Mapping[str, Count] | Count, seed: Seed = 0, job: Job) -> Prompts:
    """Draw prompts of each class; none is repeated before all have been used.

    The paper's data set has 388 images: ``counts: {Bare Land: 52, Crop Land: 57, Cultivated Vegetation: 54, Natural
    Vegetation: 54, Snow Ice: 58, Water Body: 52, Woody Vegetation: 61}``. Rows are sorted by class, in the order of the
    classes in the prompts. The draw of a class depends only on the names of its prompts and on ``seed``, and a larger
    count begins with the same prompts. Repetitions are named ``crop-land-003.2``, ``.3`` and so on. Blank prompts,
    which cannot be turned into images, are left out and counted in the facts.

    Args:
        prompts: prompts of one writer, or of several.
        counts: number of prompts for each class that is wanted, or one number for all.
        seed: seed for the draw and its order.
        job: provides device, folders and log.

    Raises:
        StageError: a class without prompts, or with blank ones only.
    """
    of: dict[str, list[Prompt]] = {}
    blank = 0
    for prompt in table.read(prompts):
        members = of.setdefault(prompt.label, [])
        if words(prompt.text):
            members.append(prompt)
        else:
            blank += 1
    if not of:
        raise StageError("prompts: there are none")
    wanted = counts if isinstance(counts, Mapping) else dict.fromkeys(of, counts)
    if missing := [label for label in wanted if label not in of]:
        raise StageError(
            f"counts: there is no prompt of {missing[0]!r}, only of {', '.join(of)}{nearest(missing[0], of)}"
        )
    if not wanted:
        raise StageError("counts: no class is named")
    if silent := [label for label in wanted if not of[label]]:
        raise StageError(f"prompts: all of {silent[0]!r} are blank")
    chosen = [
        prompt
        for label in of
        if label in wanted
        for prompt in islice(_in_turn(of[label], seed), wanted[label])
    ]
    folder = job.folder()
    table.write(folder, chosen)
    left_out = [label for label in of if label not in wanted]
    again = {label: wanted[label] - len(of[label]) for label in of if wanted.get(label, 0) > len(of[label])}
    return Prompts(
        folder, facts={**table.count(chosen), "blank": blank, "left_out": left_out, "taken_again": again}
    )


def _in_turn(prompts: Sequence[Prompt], seed: int) -> Iterator[Prompt]:
    """All prompts in the order of the draw, then all again under other names, endlessly."""
    by_name = {prompt.name: prompt for prompt in prompts}
    order = [by_name[name] for name in drawn(by_name, seed)]
    yield from order
    names = set(by_name)
    for time in count(2):
        for prompt in order:
            # A prompt of an earlier selection may already have this name.
            name = next(free for n in count(time) if (free := f"{prompt.name}.{n}") not in names)
            names.add(name)
            yield replace(prompt, name=name)
