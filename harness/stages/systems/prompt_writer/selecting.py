"""Draws a given number of prompts of each class, as many as a data set should have images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, islice

from harness.artifact import Prompts
from harness.compute.seeded_shuffle import drawn
from harness.errors import StageError, nearest
from harness.formats import prompts as table
from harness.formats.prompts import Prompt
from harness.stage import Count, Job, Seed, stage
from harness.stages.systems.prompt_writer.drafting import words


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
