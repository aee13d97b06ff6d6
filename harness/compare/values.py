"""The values of a mean, with weights and where they were measured; and the mean of one side alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from harness.compare.sample import SeedKey, Side, alone_over
from harness.store.items import ItemColumn, ItemsReader
from harness.store.record import Repeat, Score


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
        """The mean of scores of one metric; None if there are none, or if a repeat failed."""
        if not scores or not all(s.complete and s.repeats for s in scores):
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


class Place(NamedTuple):
    """Where a value was measured, or what several values have in common; a field in which they differ is None."""

    item: str | None = None
    cluster: str | None = None
    seeds: SeedKey | None = None
    point: str | None = None
    """Canonical JSON."""


class Value(NamedTuple):
    """One value of a weighted mean."""

    place: Place
    value: float
    weight: float


@dataclass(frozen=True)
class Values:
    """The repeats of one side that count, and their weights."""

    field: str
    scores: Sequence[Score]
    points: Sequence[str]
    """For each score, the point to record for its values."""
    reader: ItemsReader | None
    outermost: str | None
    """The seed whose values are independent repeats; repeats are averaged over the other seeds."""
    seeds: Sequence[SeedKey]
    """The seeds that every point has."""
    items: frozenset[str] | None
    """The items that every point and repeat has; None if a repeat has no rows."""

    @staticmethod
    def of(scores: Sequence[Score], field: str, side: Side, points: Sequence[str]) -> Values:
        """The values of complete scores of one metric, at least one score.

        Args:
            scores: scores that have the field.
            field: a field of the metric.
            side: side of the comparison that the scores are from.
            points: for each score the point to record for its values, canonical JSON. Both scores of a pair have the
                candidate's point, though one side may not sweep an axis, or is at the reference.

        Raises:
            UsageError: the per-item rows cannot be read.
        """
        repeats = [(score, repeat) for score in scores for repeat in score.repeats]
        count = Counter(_seeds(repeat) for _, repeat in repeats)
        columns = [_column(side.items, score, repeat, field) for score, repeat in repeats]
        names = [frozenset(column.items) for column in columns if column is not None]
        order = side.run.metrics[scores[0].metric].seeds
        return Values(
            field,
            scores,
            points,
            side.items,
            outermost=order[0] if order else None,
            seeds=[seeds for seeds, n in count.items() if n == len(scores)],
            items=frozenset.intersection(*names) if len(names) == len(columns) else None,
        )

    def only(self, seeds: Collection[SeedKey], outermost: str | None) -> Values:
        """The same with these seeds only, nested as on the other side."""
        return replace(self, seeds=[s for s in self.seeds if s in seeds], outermost=outermost)

    def weighted(self, by_item: bool) -> Iterator[Value]:
        """Every value with its weight in the mean: equal for points, for repeats, and for the items of a repeat."""
        inner: dict[int | None, int] = {}
        for seeds in self.seeds:
            inner[self._outer(seeds)] = inner.get(self._outer(seeds), 0) + 1
        counted = set(self.seeds)
        for score, point in zip(self.scores, self.points, strict=True):
            for repeat in (r for r in score.repeats if _seeds(r) in counted):
                weight = 1 / (len(self.scores) * len(inner) * inner[self._outer(_seeds(repeat))])
                yield from self._within(score, repeat, point, weight, by_item)

    def _within(
        self,
        score: Score,
        repeat: Repeat,
        point: str,
        weight: float,
        by_item: bool,
    ) -> Iterator[Value]:
        seeds = _seeds(repeat)
        column = _column(self.reader, score, repeat, self.field) if by_item else None
        if column is None:
            yield Value(Place(seeds=seeds, point=point), repeat.values[self.field], weight)
            return
        for i, name in enumerate(column.items):
            cluster = column.clusters[i] if column.clusters else None
            yield Value(Place(name, cluster, seeds, point), column.values[i], weight / len(column.items))

    def _outer(self, seeds: SeedKey) -> int | None:
        return dict(seeds).get(self.outermost) if self.outermost else None


def _column(reader: ItemsReader | None, score: Score, repeat: Repeat, field: str) -> ItemColumn | None:
    if reader is None or not repeat.items:
        return None
    return reader.items(score.metric, score.point, repeat.seeds, field)


def _seeds(repeat: Repeat) -> SeedKey:
    return tuple(sorted(repeat.seeds.items()))


def mean(values: Sequence[Value]) -> float:
    """The weighted mean of some values; exact if all are equal."""
    first = values[0].value
    if all(v.value == first for v in values):
        return first
    return math.fsum(v.weight * v.value for v in values) / math.fsum(v.weight for v in values)
