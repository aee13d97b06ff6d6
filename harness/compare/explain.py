"""What changed a metric: the change between two runs, divided among items, clusters, repeats or points.

A field that is the mean of values v with weights w (which sum to 1 on each side) changes by

    mean(after) - mean(before) = Σ over parts of [Σ w·(v - c) after - Σ w·(v - c) before],

for any division of the values into parts and any number c. Here c is the baseline's mean. Then a part that both
sides have contributes its own change, and a part that only one side has contributes by being above or below that
mean. The contributions add up to the change that the verdict is about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.compare.comparison import Finding
from harness.compare.match import Pair, in_point, match
from harness.compare.sample import Side, gather
from harness.compare.values import Place, Value, Values, mean
from harness.formats.strict_json import canonical
from harness.store.record import Run, Score

CANCELLING = 0.1
"""If the whole change is less than this fraction of the total movement, the parts largely cancel out, and no shares of
the change are given."""


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
    ours, theirs = [p.candidate for p in pairs], [p.baseline for p in pairs]
    points = [canonical(p.candidate.point) for p in pairs]
    after, before = Values.of(ours, field, candidate, points), Values.of(theirs, field, baseline, points)
    if evidence.paired and evidence.unit == "seeds":
        shared = evidence.seeds if evidence.seeds is not None else set(after.seeds) & set(before.seeds)
        after, before = after.only(shared, after.outermost), before.only(shared, after.outermost)
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
