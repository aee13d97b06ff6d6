"""The repeats of one side of a comparison: which of them count, and the mean of that side by itself.

The unit of repetition follows from the graph. It is seeds, if a swept seed reaches the metric and changes what it
reads; otherwise items; otherwise nothing is repeated, and then nothing shows how far another value would differ.

If several seeds are swept, there are as many repeats as the seed with the fewest values has, of those with at least
three: nine over three trainings are three. A seed with fewer values repeats nothing (``claim.py`` says so).

Equal outputs are one repeat, which counts as often in the mean. Five seeds that a stage ignores give the same bytes
five times, which does not show how far a sixth seed would differ.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeVar

from harness.compare import stats
from harness.store.items import ItemsReader
from harness.store.record import Repeat, Run, Score

LEAST = 3
"""Fewer repeats than this give no verdict: with two, the 90 % interval is six standard errors to either side."""

NO_TIMING = "no timing (from the store)"
"""Said instead of a time if the work that was timed was not done in the run itself."""

K = TypeVar("K", bound=Hashable)
SeedKey = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Side:
    """A run, and the reader of its per-item rows, or None if it has no rows."""

    run: Run
    items: ItemsReader | None = None


@dataclass(frozen=True)
class Figure:
    """One field of one metric, as the mean over its points and repeats."""

    mean: float
    low: float | None
    """Lower bound of the 90 % interval of the mean; None if nothing, or too little, was repeated."""
    high: float | None
    repeats: int
    """Independent repeats behind the interval; if there is no interval, the number of values behind the mean."""
    unit: Literal["seeds", "items", "one"]

    @classmethod
    def of(cls, scores: Sequence[Score], field: str, side: Side) -> Figure | None:
        """The mean of scores of one metric; None if there are none, if a repeat failed, or if they hold no timing."""
        if not scores or not all(s.complete and s.repeats for s in scores) or lacks_timing(scores, side):
            return None
        swept = bool(side.run.metrics[scores[0].metric].seeds)
        found = alone_over(scores, field, side)
        if found is None:
            values = [r.values[field] for s in scores for r in s.repeats]
            mean = math.fsum(values) / len(values)
            return cls(mean, None, None, len(scores[0].repeats), "seeds" if swept else "one")
        spread, unit = found
        low, high = spread.interval()
        return cls(spread.mean, low, high, spread.n, unit)


def alone(scores: Sequence[Score], field: str, side: Side) -> stats.Estimate | None:
    """The mean of one side by itself, and how much its repeats vary; None if that cannot be known.

    Every score is complete; all are of one metric.
    """
    found = alone_over(scores, field, side)
    return None if found is None else found[0]


def alone_over(
    scores: Sequence[Score], field: str, side: Side
) -> tuple[stats.Estimate, Literal["seeds", "items"]] | None:
    """As ``alone``, with the unit of repetition."""
    if lacks_timing(scores, side):
        return None
    order = side.run.metrics[scores[0].metric].seeds
    if order:
        values = by_seeds(scores, field)
        groups = nested(list(values), order)
        made = outputs(scores)
        kept = distinct({outer: [made[s] for s in seeds] for outer, seeds in groups.items()})
        if len(groups) < LEAST:
            return None
        if len(kept) >= LEAST:
            means = [mean_of([mean_of([values[s] for s in groups[o]]) for o in outers]) for outers in kept]
            spread = stats.weighted(means, [len(outers) for outers in kept])
            known = known_over_seeds(spread, means, grid_of(scores, field, len(scores), groups))
            return None if known is None else (known, "seeds")
        if len(kept) > 1:  # they vary, by an amount that two cannot show
            return None
    rows = rows_of(scores, field, side.items)
    if rows is None or rows.independent < LEAST:
        return None
    spread = stats.overlapping(value_of(scores, field), {}, rows.moves, rows.clusters)
    known = known_over_items(spread, rows.size, len(rows.moves), step_of(scores, field))
    return None if known is None else (known, "items")


def lacks_timing(scores: Sequence[Score], side: Side) -> bool:
    """Whether scores of one metric are times, of which some are of work that was not done in the run itself."""
    timed = bool(scores) and side.run.metrics[scores[0].metric].timed
    return timed and not all(r.clocked for s in scores for r in s.repeats)


def outputs(scores: Sequence[Score]) -> dict[SeedKey, Hashable]:
    """Seeds → what the metric read and its values, over all points. Two are equal if they are known to be equal, and if
    what was read is not known and the values are equal.

    The values are included: a metric may have a swept seed of its own, or read more than the files.
    """
    found: dict[SeedKey, list[Hashable]] = {}
    for score in scores:
        for repeat in score.repeats:
            found.setdefault(seeds_of(repeat), []).append(_output(repeat))
    return {seeds: tuple(parts) for seeds, parts in found.items()}


def known_outputs(scores: Sequence[Score]) -> dict[SeedKey, Hashable]:
    """As ``outputs``, but what was read counts as different where it is not known: values of a side may coincide."""
    found: dict[SeedKey, list[Hashable]] = {}
    for score in scores:
        for repeat in score.repeats:
            known = id(repeat) if repeat.read is None else _output(repeat)
            found.setdefault(seeds_of(repeat), []).append(known)
    return {seeds: tuple(parts) for seeds, parts in found.items()}


def _output(repeat: Repeat) -> Hashable:
    if repeat.read is None:  # equal values may come of equal bytes, and then repeat nothing
        return "not known", tuple(sorted(repeat.values.items()))
    if not repeat.read.files:
        return id(repeat)
    return repeat.read.files, tuple(sorted(repeat.values.items()))


def distinct(groups: Mapping[K, Sequence[Hashable]]) -> list[list[K]]:
    """The groups, those with the same outputs together, in order."""
    alike: dict[Hashable, list[K]] = {}
    for name, members in groups.items():
        alike.setdefault(frozenset(Counter(members).items()), []).append(name)
    return list(alike.values())


def is_same(theirs: Sequence[Score], ours: Sequence[Score]) -> bool:
    """Whether the metric read the same bytes on both sides, score by score and in every repeat of them.

    Both sides have a score for each point, in the same order. Repeats of one seed are compared with each other; where a
    seed is only on one side, all repeats of both sides must be equal.
    """
    return all(_is_same(before, after) for before, after in zip(theirs, ours, strict=True))


def _is_same(before: Score, after: Score) -> bool:
    left, right = ({seeds_of(r): r for r in score.repeats} for score in (before, after))
    if left.keys() == right.keys():
        return all(read_the_same(left[s], right[s]) for s in left)
    every = {_output(r) for r in (*before.repeats, *after.repeats)}
    known = all(r.read is not None for r in (*before.repeats, *after.repeats))
    return known and len(every) == 1  # the seeds differ, but they change nothing


def read_the_same(a: Repeat, b: Repeat) -> bool:
    """Whether both read the same bytes, and gave the same values or were also told the same facts."""
    if a.read is None or b.read is None or not a.read.files:
        return False
    return a.read.files == b.read.files and (a.values == b.values or a.read.facts == b.read.facts)


def seeds_of(repeat: Repeat) -> SeedKey:
    return tuple(sorted(repeat.seeds.items()))


def by_seeds(scores: Sequence[Score], field: str) -> dict[SeedKey, float]:
    """Seeds → mean over the points, for the seeds that every point has."""
    values: dict[SeedKey, list[float]] = {}
    for score in scores:
        for repeat in score.repeats:
            values.setdefault(seeds_of(repeat), []).append(repeat.values[field])
    return {seeds: mean_of(v) for seeds, v in values.items() if len(v) == len(scores)}


def repeating(seeds: Iterable[SeedKey], order: Sequence[str]) -> str | None:
    """The swept seed whose values are the independent repeats; None if no seed is swept.

    Of the seeds with at least ``LEAST`` values the one with the fewest, and of those the outermost. If none has so
    many, the one with the most.

    Args:
        seeds: the repeats.
        order: the swept seeds, outermost first.
    """
    table = [dict(s) for s in seeds]
    counts = {name: len({row.get(name) for row in table}) for name in order}
    enough = [name for name in order if counts[name] >= LEAST]
    if enough:
        return min(enough, key=lambda name: counts[name])
    return max(order, key=lambda name: counts[name], default=None)


def nested(seeds: Sequence[SeedKey], order: Sequence[str]) -> dict[int | None, list[SeedKey]]:
    """The seeds grouped by the value of the seed that repeats, in their order."""
    by = repeating(seeds, order)
    groups: dict[int | None, list[SeedKey]] = {}
    for s in seeds:
        groups.setdefault(None if by is None else dict(s).get(by), []).append(s)
    return groups


def step_of(scores: Sequence[Score], field: str) -> float:
    """The smallest amount by which one item can change the field; 0 if the metric names none."""
    return max(r.steps.get(field, 0.0) for s in scores for r in s.repeats)


def grid_of(
    scores: Sequence[Score], field: str, points: int, groups: Mapping[int | None, Sequence[SeedKey]]
) -> float:
    """The distance between possible values of one repeat; finer if a repeat is a mean over several scores."""
    return step_of(scores, field) / (points * min(map(len, groups.values())))


def known_over_seeds(spread: stats.Estimate, values: Sequence[float], grid: float) -> stats.Estimate | None:
    """Without rounding, and at least as wide as the grid of the field; None if coinciding values allow no estimate."""
    clean = stats.without_rounding(spread, max(map(abs, values)), 1)
    found = stats.floored(clean, grid)
    return found if found.se > 0.0 else None


@dataclass(frozen=True)
class Rows:
    """The per-item rows of one side."""

    moves: Mapping[str, float]
    """Item → its share of the mean over points and repeats. An item at several points counts as one item."""
    clusters: Mapping[str, str]
    size: float
    """Largest magnitude of a row."""
    values: Mapping[Hashable, Mapping[str, float]]
    """The rows themselves, by point and seeds."""

    @property
    def independent(self) -> int:
        """Number of clusters, and of items that are in none."""
        return len({(n in self.clusters, self.clusters.get(n, n)) for n in self.moves})


def rows_of(scores: Sequence[Score], field: str, reader: ItemsReader | None) -> Rows | None:
    """The rows of every repeat; None if a repeat has none."""
    moves: dict[str, list[float]] = {}
    clusters: dict[str, str] = {}
    values: dict[Hashable, Mapping[str, float]] = {}
    for n, score in enumerate(scores):
        for repeat in score.repeats:
            if reader is None or not repeat.items:
                return None
            column = reader.items(score.metric, score.point, repeat.seeds, field)
            if column is None:
                return None
            rows = dict(zip(column.items, column.values, strict=True))
            values[n, seeds_of(repeat)] = rows
            weight = 1.0 / (len(scores) * len(score.repeats))
            for name, moved in stats.contributions(rows).items():
                moves.setdefault(name, []).append(weight * moved)
            clusters.update(zip(column.items, column.clusters or (), strict=column.clusters is not None))
    size = max(map(abs, chain.from_iterable(rows.values() for rows in values.values())))
    return Rows({name: math.fsum(parts) for name, parts in moves.items()}, clusters, size, values)


def known_over_items(spread: stats.Estimate, size: float, items: int, step: float) -> stats.Estimate | None:
    """The same over items: if all moved alike, the deviation of one item is at least its smallest possible change."""
    clean = stats.without_rounding(spread, size, items)
    found = clean if clean.se > 0.0 else stats.floored(clean, step * math.sqrt(items * clean.n))
    return found if found.se > 0.0 else None


def value_of(scores: Sequence[Score], field: str) -> float:
    """The mean over points and repeats."""
    return mean_of([mean_of([r.values[field] for r in s.repeats]) for s in scores])


def mean_of(values: Sequence[float]) -> float:
    """Exact if all values are equal."""
    return values[0] if min(values) == max(values) else math.fsum(values) / len(values)
