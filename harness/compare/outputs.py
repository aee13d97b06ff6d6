"""What a metric read in each repeat: repeats that read the same are one.

Five seeds that a stage ignores give the same bytes five times. They are no evidence of how far a sixth would be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from harness.record import Repeat, Score

K = TypeVar("K", bound=Hashable)
SeedKey = tuple[tuple[str, int], ...]


def outputs(scores: Sequence[Score]) -> dict[SeedKey, Hashable]:
    """By seeds what was read and what came of it, over all points; equal only where it is known to be.

    The values belong to it: a metric may have a swept seed of its own, or read what stands beside the files.
    """
    found: dict[SeedKey, list[Hashable]] = {}
    for score in scores:
        for repeat in score.repeats:
            found.setdefault(_seeds(repeat), []).append(_output(repeat))
    return {seeds: tuple(parts) for seeds, parts in found.items()}


def _output(repeat: Repeat) -> Hashable:
    if repeat.read is None or not repeat.read.files:
        return id(repeat)
    return repeat.read.files, tuple(sorted(repeat.values.items()))


def distinct(groups: Mapping[K, Sequence[Hashable]]) -> list[K]:
    """The first of all groups that hold the same outputs, in order."""
    first: dict[Hashable, K] = {}
    for name, members in groups.items():
        first.setdefault(frozenset(Counter(members).items()), name)
    return list(first.values())


def is_same(theirs: Sequence[Score], ours: Sequence[Score]) -> bool:
    """Whether the metric read the same bytes on both sides, score by score and repeat by repeat.

    Both sides have a score for each point, in the same order.
    """
    return all(_is_same(before, after) for before, after in zip(theirs, ours, strict=True))


def _is_same(before: Score, after: Score) -> bool:
    left, right = ({_seeds(r): r for r in score.repeats} for score in (before, after))
    shared = left.keys() & right.keys()
    if shared:
        return all(_read_the_same(left[s], right[s]) for s in shared)
    every = {_output(r) for r in (*before.repeats, *after.repeats)}
    return len(every) == 1  # whatever the seeds are, they move nothing


def _read_the_same(a: Repeat, b: Repeat) -> bool:
    if a.read is None or b.read is None or not a.read.files:
        return False
    return a.read.files == b.read.files and (a.values == b.values or a.read.facts == b.read.facts)


def _seeds(repeat: Repeat) -> SeedKey:
    return tuple(sorted(repeat.seeds.items()))
