"""What changed a metric: the change between two runs, divided among items, clusters, repeats or points.

A field that is the mean of values v with weights w (which sum to 1 on each side) changes by

    mean(after) - mean(before) = Σ over parts of [Σ w·(v - c) after - Σ w·(v - c) before],

for any division of the values into parts and any number c. Here c is the baseline's mean. Then a part that both
sides have contributes its own change, and a part that only one side has contributes by being above or below that
mean. The contributions add up to the change that the verdict is about.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from harness.compare import Finding
from harness.compare.evidence import gather
from harness.compare.match import Pair, in_point, match
from harness.compare.sample import SeedKey, Side, repeating, seeds_of
from harness.formats.strict_json import canonical
from harness.store.items import ItemColumn, ItemsReader
from harness.store.record import Repeat, Run, Score

CANCELLING = 0.1
"""If the whole change is less than this fraction of the total movement, the parts largely cancel out, and no shares of
the change are given."""


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
class Part:
    """A part of a change."""

    place: Place
    before: float | None
    """Mean of its values; None if the baseline has none."""
    after: float | None
    contribution: float
    """Contribution to the change of the whole, in the metric's unit and sign."""


@dataclass(frozen=True)
class Explanation:
    """The values of one field on both sides, each side's weights summing to 1."""

    better: Literal["higher", "lower"]
    baseline: float
    candidate: float
    has_items: bool
    """Whether there are per-item rows; otherwise repeats are the smallest parts."""
    _before: Sequence[Value]
    _after: Sequence[Value]

    @property
    def change(self) -> float:
        return self.candidate - self.baseline

    @property
    def helped(self) -> bool:
        """Whether the field changed for the better."""
        return self.change > 0 if self.better == "higher" else self.change < 0

    def by_item(self, *, apart: bool = False) -> list[Part]:
        """The items, those that hurt most first; empty if the field has no per-item rows.

        Args:
            apart: whether equal names in different repeats and points are different items, like images that are drawn
                anew. Otherwise they are one item, with the mean of its values.
        """
        if not self.has_items:
            return []
        return self._by((lambda p: p) if apart else (lambda p: Place(p.item, p.cluster)))

    def by_cluster(self) -> list[Part]:
        """The clusters of dependent items, such as a class or a document; empty if there are none."""
        if not any(v.place.cluster is not None for v in self._after):
            return []
        return self._by(lambda p: Place(cluster=p.cluster))

    def by_repeat(self) -> list[Part]:
        """The repeats of the seeds; empty if there is only one."""
        parts = self._by(lambda p: Place(seeds=p.seeds))
        return parts if len(parts) > 1 else []

    def by_point(self) -> list[Part]:
        """The points of the matrix that the field is the mean over; empty if there is only one."""
        parts = self._by(lambda p: Place(point=p.point))
        return parts if len(parts) > 1 else []

    def share(self, part: Part, parts: Iterable[Part]) -> float | None:
        """The share of a part in the whole change; None if the ``parts`` largely cancel out."""
        moved = math.fsum(abs(p.contribution) for p in parts)
        return part.contribution / self.change if abs(self.change) > CANCELLING * moved else None

    def _by(self, key: Callable[[Place], Place]) -> list[Part]:
        before, after = _grouped(self._before, key), _grouped(self._after, key)
        parts = [
            _part(place, before.get(place, ()), after.get(place, ()), self.baseline)
            for place in dict.fromkeys((*before, *after))
        ]
        sign = 1 if self.better == "lower" else -1
        return sorted(
            parts, key=lambda p: -sign * p.contribution
        )  # stable: equal parts keep the metric's order


def pairs_of(finding: Finding, candidate: Run, baseline: Run) -> list[Pair]:
    """The scores that a finding is about, without incomplete ones.

    Args:
        finding: finding of a comparison of ``candidate``.
        candidate: the run.
        baseline: the run it was compared with; ``candidate`` itself if the finding is against its reference point.
    """
    if finding.against is None:
        pairs: Iterable[Pair] = match(candidate, baseline).pairs
    else:
        there = {axis: finding.against.get(axis, value) for axis, value in finding.at.items()}
        found = {canonical(s.point): s for s in candidate.scores if s.metric == finding.metric}
        sides = found.get(canonical(finding.at)), found.get(canonical(there))
        pairs = [Pair(sides[0], sides[1])] if sides[0] and sides[1] else []
    return [
        p
        for p in pairs
        if p.candidate.metric == finding.metric
        and in_point(p.candidate, finding.at)
        and p.candidate.complete
        and p.baseline.complete
    ]


def explain(
    pairs: Sequence[Pair], field: str, candidate: Side, baseline: Side, better: Literal["higher", "lower"]
) -> Explanation:
    """Divide the change of a field, as the mean over ``pairs``, into parts.

    Args:
        pairs: scores of one metric, each complete and with the field; those that the verdict is about.
        field: a field of the metric.
        candidate: the run.
        baseline: what it is compared with.
        better: the field's direction.

    Raises:
        UsageError: the per-item rows cannot be read.
    """
    evidence = gather(pairs, field, candidate, baseline)
    ours, theirs = [p.candidate for p in evidence.pairs], [p.baseline for p in evidence.pairs]
    points = [canonical(s.point) for s in ours]
    after, before = Values.of(ours, field, candidate, points), Values.of(theirs, field, baseline, points)
    if evidence.paired and evidence.unit == "seeds":
        shared = evidence.seeds if evidence.seeds is not None else set(after.seeds) & set(before.seeds)
        by = repeating(list(shared), candidate.run.metrics[ours[0].metric].seeds)
        after, before = after.only(shared, by), before.only(shared, by)
    has_items = after.items is not None and before.items is not None
    left, right = list(before.weighted(has_items)), list(after.weighted(has_items))
    return Explanation(better, mean(left), mean(right), has_items, left, right)


def worst_values(
    scores: Sequence[Score],
    field: str,
    side: Side,
    better: Literal["higher", "lower"],
    *,
    apart: bool = False,
) -> list[Part]:
    """The items of one side by itself, the worst values first; empty if the field has no per-item rows."""
    values = Values.of(scores, field, side, [canonical(s.point) for s in scores]) if scores else None
    if values is None or values.items is None:
        return []
    grouped = _grouped(
        list(values.weighted(True)), (lambda p: p) if apart else (lambda p: Place(p.item, p.cluster))
    )
    parts = [Part(place, None, mean(of), 0.0) for place, of in grouped.items()]
    sign = 1 if better == "lower" else -1
    return sorted(parts, key=lambda p: -sign * (p.after or 0.0))


def _grouped(values: Sequence[Value], key: Callable[[Place], Place]) -> Mapping[Place, list[Value]]:
    groups: dict[Place, list[Value]] = {}
    for value in values:
        groups.setdefault(key(value.place), []).append(value)
    return groups


def _part(place: Place, before: Sequence[Value], after: Sequence[Value], centre: float) -> Part:
    contribution = math.fsum(
        sign * v.weight * (v.value - centre) for sign, side in ((1, after), (-1, before)) for v in side
    )
    return Part(place, mean(before) if before else None, mean(after) if after else None, contribution)


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
        count = Counter(seeds_of(repeat) for _, repeat in repeats)
        columns = [_column(side.items, score, repeat, field) for score, repeat in repeats]
        names = [frozenset(column.items) for column in columns if column is not None]
        order = side.run.metrics[scores[0].metric].seeds
        seeds = [seeds for seeds, n in count.items() if n == len(scores)]
        return Values(
            field,
            scores,
            points,
            side.items,
            outermost=repeating(seeds, order),
            seeds=seeds,
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
            for repeat in (r for r in score.repeats if seeds_of(r) in counted):
                weight = 1 / (len(self.scores) * len(inner) * inner[self._outer(seeds_of(repeat))])
                yield from self._within(score, repeat, point, weight, by_item)

    def _within(
        self,
        score: Score,
        repeat: Repeat,
        point: str,
        weight: float,
        by_item: bool,
    ) -> Iterator[Value]:
        seeds = seeds_of(repeat)
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


def mean(values: Sequence[Value]) -> float:
    """The weighted mean of some values; exact if all are equal."""
    first = values[0].value
    if all(v.value == first for v in values):
        return first
    return math.fsum(v.weight * v.value for v in values) / math.fsum(v.weight for v in values)
