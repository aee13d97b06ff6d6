"""What was repeated behind two sides of a comparison, and the estimate that this allows.

The unit of repetition follows from the graph: seeds, where a swept seed reaches the metric; else items; else
nothing, and the one value is exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.compare import stats
from harness.compare.match import Pair
from harness.items import ItemsReader
from harness.record import Run, Score

LEAST = 3
"""Fewer repeats than this say nothing: with two, the 90 % interval is six standard errors to either side."""

SeedKey = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Side:
    """A run, and where its per-item rows are; None where it has none."""

    run: Run
    items: ItemsReader | None = None


@dataclass(frozen=True)
class Evidence:
    """One field of one metric on both sides, in the metric's own unit and sign."""

    baseline: float
    candidate: float
    unit: Literal["seeds", "items", "exact"]
    paired: bool
    repeats: int
    """Differences, or the smaller side where not paired; nested repeats count once, clusters too."""
    spread: stats.Estimate | None
    """Of candidate − baseline; None where nothing was repeated, or too little."""
    lacking: str = ""
    """Why these repeats are too few to judge; empty where they are enough."""

    @property
    def change(self) -> float:
        return self.candidate - self.baseline if self.spread is None else self.spread.mean

    @property
    def exact(self) -> bool:
        """One value a side, or repeats without any spread: then there is nothing to be uncertain about."""
        return self.spread is None or self.spread.se == 0.0

    def interval(self, confidence: float = stats.CONFIDENCE) -> tuple[float, float]:
        """Of the change; a point where it is exact."""
        return (self.change, self.change) if self.spread is None else self.spread.interval(confidence)


def gather(pairs: Sequence[Pair], field: str, candidate: Side, baseline: Side) -> Evidence:
    """The evidence on one field of one metric: the mean over the points of ``pairs``, repeat by repeat.

    Every score of ``pairs`` is complete and has the field.
    """
    metric = pairs[0].candidate.metric
    ours, theirs = [p.candidate for p in pairs], [p.baseline for p in pairs]
    seeds = candidate.run.metrics[metric].seeds, baseline.run.metrics[metric].seeds
    if any(seeds):
        return _over_seeds(theirs, ours, field, seeds[1], seeds[0])
    before, after = _by_item(theirs, field, baseline.items), _by_item(ours, field, candidate.items)
    found = _over_items(before, after) if before and after else None
    return found or Evidence(_value(theirs, field), _value(ours, field), "exact", True, 1, None)


def alone(scores: Sequence[Score], field: str, side: Side) -> stats.Estimate | None:
    """The mean of one side by itself, and how much its repeats vary; None where nothing is repeated.

    Every score is complete; they are of one metric.
    """
    order = side.run.metrics[scores[0].metric].seeds
    if order:
        values = _by_seeds(scores, field)
        nested = _nested(values, list(values), order)
        return stats.clustered(nested) if len(nested) >= LEAST else None
    items = _by_item(scores, field, side.items)
    if items is None or _independent(list(items.values), items.clusters) < LEAST:
        return None
    return stats.clustered(list(items.values.values()), _clusters_of(items))


def _over_seeds(
    theirs: Sequence[Score],
    ours: Sequence[Score],
    field: str,
    their_order: Sequence[str],
    our_order: Sequence[str],
) -> Evidence:
    """Paired on the seeds that both sides have, if these are enough; else the two means as they are.

    Repeats that share the outermost seed share the training, say, and are averaged to one.
    """
    before, after = _by_seeds(theirs, field), _by_seeds(ours, field)
    shared = [seeds for seeds in before if seeds in after]
    left, right = _nested(before, shared, our_order), _nested(after, shared, our_order)
    if len(left) >= LEAST:
        spread = stats.paired(left, right)
        return Evidence(_mean(left), _mean(right), "seeds", True, spread.n, spread)
    left, right = _nested(before, list(before), their_order), _nested(after, list(after), our_order)
    if min(len(left), len(right)) >= LEAST:
        spread = stats.welch(left, right)
        return Evidence(_mean(left), _mean(right), "seeds", False, spread.n, spread)
    lacking = " and ".join(
        f"{len(repeats)} repeat{'' if len(repeats) == 1 else 's'} {where}"
        for repeats, where in ((left, "in the baseline"), (right, "in the candidate"))
        if len(repeats) < LEAST
    )
    lacking = f"{lacking}; where a seed reaches the metric at least {LEAST} are needed"
    values = _value(theirs, field), _value(ours, field)
    return Evidence(*values, "seeds", False, min(len(left), len(right)), None, lacking)


def _by_seeds(scores: Sequence[Score], field: str) -> dict[SeedKey, float]:
    """Seeds → mean over the points, for the seeds that every point has."""
    values: dict[SeedKey, list[float]] = {}
    for score in scores:
        for repeat in score.repeats:
            values.setdefault(tuple(sorted(repeat.seeds.items())), []).append(repeat.values[field])
    return {seeds: _mean(v) for seeds, v in values.items() if len(v) == len(scores)}


def _nested(values: Mapping[SeedKey, float], seeds: Sequence[SeedKey], order: Sequence[str]) -> list[float]:
    """One mean per value of the outermost seed, in the order of ``seeds``."""
    outer = [dict(s).get(order[0]) if order else None for s in seeds]
    return list(stats.average_nested([values[s] for s in seeds], outer).values())


@dataclass(frozen=True)
class _Items:
    values: Mapping[str, float]
    """Item → mean over the points: one item at several points is no independent repeat."""
    clusters: Mapping[str, str] | None


def _by_item(scores: Sequence[Score], field: str, reader: ItemsReader | None) -> _Items | None:
    """The items that every point has; None where the field has no rows."""
    values: dict[str, list[float]] = {}
    clusters: dict[str, str] = {}
    for score in scores:
        for repeat in score.repeats:
            if reader is None or not repeat.items:
                return None
            column = reader.items(score.metric, score.point, repeat.seeds, field)
            if column is None:
                return None
            for name, value in zip(column.items, column.values, strict=True):
                values.setdefault(name, []).append(value)
            clusters.update(zip(column.items, column.clusters or (), strict=column.clusters is not None))
    means = {name: _mean(v) for name, v in values.items() if len(v) == len(scores)}
    return _Items(means, clusters if clusters.keys() >= means.keys() else None)


def _over_items(before: _Items, after: _Items) -> Evidence | None:
    """Paired on the items that both sides have, if these are enough; else the two means as they are.

    None where there are too few items, or clusters of them, for any interval.
    """
    shared = [name for name in before.values if name in after.values]
    clusters = after.clusters or before.clusters
    if _independent(shared, clusters) >= LEAST:
        left, right = [before.values[n] for n in shared], [after.values[n] for n in shared]
        changes = [c - b for b, c in zip(left, right, strict=True)]
        spread = stats.clustered(changes, [clusters[n] for n in shared] if clusters else None)
        return Evidence(_mean(left), _mean(right), "items", True, spread.n, spread)
    if min(_independent(list(s.values), s.clusters) for s in (before, after)) < LEAST:
        return None
    left, right = list(before.values.values()), list(after.values.values())
    spread = stats.welch(left, right, _clusters_of(before), _clusters_of(after))
    return Evidence(_mean(left), _mean(right), "items", False, spread.n, spread)


def _independent(names: Sequence[str], clusters: Mapping[str, str] | None) -> int:
    return len(names) if clusters is None else len({clusters[n] for n in names})


def _clusters_of(items: _Items) -> list[str] | None:
    return None if items.clusters is None else [items.clusters[n] for n in items.values]


def _value(scores: Sequence[Score], field: str) -> float:
    return _mean([_mean([r.values[field] for r in s.repeats]) for s in scores])


def _mean(values: Sequence[float]) -> float:
    """Exact where all are equal."""
    return values[0] if min(values) == max(values) else math.fsum(values) / len(values)
