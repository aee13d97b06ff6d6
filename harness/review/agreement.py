"""Agreement of raters with one another, with themselves on images shown twice, and of metrics with raters.

Raters with one another: Krippendorff's α is 1 - observed / expected disagreement over all pairs of ratings of one unit
(Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"): 1 is agreement, 0 is what chance would give.
Its interval is Student's t over the delete-one-unit jackknife's pseudo-values (Efron and Tibshirani 1993,
chapter 11): deterministic, and about these raters on other units.

Metrics with raters: Spearman's ρ of a run's metrics with the ratings, over systems and over images.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from harness.artifact import Json
from harness.compare import stats
from harness.compare.sample import Side
from harness.formats.strict_json import canonical
from harness.review.rating_table import Rated
from harness.store.record import Run, Score

Level = Literal["nominal", "ordinal", "interval"]
LEAST = 3
"""Minimum number of units for an interval."""


@dataclass(frozen=True)
class Alpha:
    """Agreement on one scale."""

    alpha: float
    low: float | None
    """Ends of the 90 % interval, at most 1; None if there are too few units."""
    high: float | None
    units: int
    """Number of units that were rated by at least two people."""
    ratings: int
    """Number of ratings of these units."""


def alpha(units: Sequence[Sequence[float]], level: Level = "ordinal") -> Alpha | None:
    """Compute Krippendorff's α with its interval.

    Args:
        units: per unit its ratings, one per rater, in any order; units with fewer than two are ignored.
        level: level of measurement: nominal (equal or not), ordinal (ranks), or interval (numbers).

    Returns:
        None if α is undefined: no unit has two ratings, or all ratings are equal.
    """
    paired = [unit for unit in units if len(unit) > 1]
    value = _alpha(paired, level)
    if value is None:
        return None
    ratings = sum(map(len, paired))
    without = [_alpha(paired[:i] + paired[i + 1 :], level) for i in range(len(paired))]
    others = [w for w in without if w is not None]
    if len(others) < max(len(paired), LEAST):
        return Alpha(value, None, None, len(paired), ratings)
    n = len(paired)
    low, high = stats.clustered([n * value - (n - 1) * w for w in others]).interval()
    half = (high - low) / 2
    return Alpha(value, max(value - half, -1.0), min(value + half, 1.0), n, ratings)


def alpha_alone(units: Sequence[Sequence[float]], level: Level = "ordinal") -> float | None:
    """Compute α as in ``alpha``, without its interval."""
    return _alpha([unit for unit in units if len(unit) > 1], level)


def _alpha(units: Sequence[Sequence[float]], level: Level) -> float | None:
    """Compute α from the coincidence matrix: each pair within a unit of m ratings counts 1 / (m - 1)."""
    pairs: dict[tuple[float, float], float] = {}
    for unit in units:
        counts = Counter(unit)
        for c, n_c in counts.items():
            for k, n_k in counts.items():
                weight = n_c * (n_k - (c == k)) / (len(unit) - 1)
                pairs[c, k] = pairs.get((c, k), 0.0) + weight
    margin: dict[float, float] = {}
    for (c, _), weight in pairs.items():
        margin[c] = margin.get(c, 0.0) + weight
    if len(margin) < 2:
        return None
    apart = {(c, k): _distance(c, k, margin, level) for c in margin for k in margin}
    observed = sum(weight * apart[pair] for pair, weight in pairs.items())
    expected = sum(margin[c] * margin[k] * d for (c, k), d in apart.items())
    return 1 - (sum(margin.values()) - 1) * observed / expected


def _distance(c: float, k: float, margin: dict[float, float], level: Level) -> float:
    """Return the squared distance. Ordinal: counts the ratings in between, and half of those at either end."""
    if level == "nominal":
        return float(c != k)
    if level == "interval":
        return (c - k) ** 2
    low, high = min(c, k), max(c, k)
    between = sum(n for value, n in margin.items() if low <= value <= high)
    return 0.0 if c == k else (between - (margin[c] + margin[k]) / 2) ** 2


@dataclass(frozen=True)
class Consistency:
    """Consistency of raters over the images that they saw twice."""

    exact: float
    """Share of pairs with equal answers."""
    within_one: float
    """Share of pairs that are at most one point apart."""
    difference: float
    """Mean absolute difference, in points."""
    pairs: int


def consistency(pairs: Sequence[tuple[int, int]]) -> Consistency | None:
    """Compute the consistency of (first, second) answers; None if there are none."""
    if not pairs:
        return None
    apart = [abs(a - b) for a, b in pairs]
    n = len(apart)
    return Consistency(sum(d == 0 for d in apart) / n, sum(d <= 1 for d in apart) / n, sum(apart) / n, n)


LEAST_PAIRS = 3
"""Minimum number of pairs for a rank correlation."""
LEAST_INTERVAL = 10
"""Minimum number of pairs for an interval, which uses a normal approximation."""

Means = Mapping[str, Mapping[str, float]]
"""Scale → image or system → its mean rating."""


@dataclass(frozen=True)
class Correlation:
    """Correlation of one field of a metric with one scale."""

    metric: str
    field: str
    better: Literal["higher", "lower"]
    scale: str
    over: Literal["systems", "images"]
    n: int
    """Number of systems or images."""
    rho: float | None
    """Spearman's ρ, without change of sign: if lower is better, agreement with people is negative. None if either side
    is constant."""
    low: float | None
    """Ends of the 90 % interval; None below ten pairs."""
    high: float | None


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Compute Pearson's correlation of the ranks; equal values get their mean rank. None if one side is constant."""
    ranks = [_ranks(values) for values in (a, b)]
    middle = (len(a) + 1) / 2
    x, y = ([r - middle for r in side] for side in ranks)
    size = math.hypot(*x) * math.hypot(*y)
    return math.fsum(p * q for p, q in zip(x, y, strict=True)) / size if size else None


def interval(rho: float, n: int) -> tuple[float, float] | None:
    """Return the 90 % interval by Fisher's z, standard error √((1 + ρ²/2) / (n - 3)) (Bonett and Wright 2000)."""
    if n < LEAST_INTERVAL or abs(rho) >= 1:
        return None
    half = NormalDist().inv_cdf(0.95) * math.sqrt((1 + rho * rho / 2) / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def correlations(side: Side, rated: Sequence[Rated], images: Means, systems: Means) -> list[Correlation]:
    """Correlate every field with a direction, of all metrics that depend on the rated images.

    Args:
        side: the run and its per-item rows.
        rated: ratings of generated images.
        images: centred means by ``Rated.image``.
        systems: centred means by the system's name.
    """
    found: list[Correlation] = []
    shown = {r.image: r for r in rated}
    for metric, info in side.run.metrics.items():
        above = _upstream(side.run, metric)
        reached = [r for r in shown.values() if r.shown.stage.partition(".")[0] in above]
        for field, direction in info.fields.items():
            if direction is None or not reached:
                continue
            name = metric, field, direction["better"]
            by_system = {r.shown.system: _value(side.run, metric, field, r) for r in reached}
            known = {system: value for system, value in by_system.items() if value is not None}
            found += _against(*name, "systems", known, systems)
            found += _against(*name, "images", _by_image(side, metric, field, reached), images)
    return found


def _against(
    metric: str,
    field: str,
    better: Literal["higher", "lower"],
    over: Literal["systems", "images"],
    values: Mapping[str, float],
    means: Means,
) -> Iterator[Correlation]:
    for scale, of_scale in means.items():
        names = [name for name in values if name in of_scale]
        if len(names) < LEAST_PAIRS:
            continue
        rho = spearman([values[n] for n in names], [of_scale[n] for n in names])
        low, high = (None if rho is None else interval(rho, len(names))) or (None, None)
        yield Correlation(metric, field, better, scale, over, len(names), rho, low, high)


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    for i in range(1, len(order) + 1):
        if i == len(order) or values[order[i]] != values[order[start]]:
            for j in order[start:i]:
                ranks[j] = (start + 1 + i) / 2
            start = i
    return ranks


def _value(run: Run, metric: str, field: str, rated: Rated) -> float | None:
    """Return the metric at the system's point: the mean over its repeats, and over axes that the images lack."""
    values = [
        repeat.values[field]
        for score in run.scores
        if score.metric == metric and _within(rated.shown.point, score.point)
        for repeat in score.repeats
        if repeat.values
    ]
    return sum(values) / len(values) if values else None


def _by_image(side: Side, metric: str, field: str, rated: Sequence[Rated]) -> dict[str, float]:
    """Return image → the value of its row, if the metric has a row of that name."""
    if side.items is None:
        return {}
    rows: dict[tuple[str, str], dict[str, list[float]]] = {}
    places = {(canonical(r.shown.point), canonical(r.shown.seeds)): r.shown for r in rated}
    for place, shown in places.items():
        for score in side.run.scores:
            if score.metric == metric and _within(shown.point, score.point):
                for name, value in _rows(side, score, field, shown.seeds):
                    rows.setdefault(place, {}).setdefault(name, []).append(value)
    found = {}
    for r in rated:
        values = rows.get((canonical(r.shown.point), canonical(r.shown.seeds)), {}).get(r.shown.item)
        if values:
            found[r.image] = sum(values) / len(values)
    return found


def _rows(side: Side, score: Score, field: str, seeds: Mapping[str, int]) -> Iterator[tuple[str, float]]:
    assert side.items is not None
    for repeat in score.repeats:
        if repeat.items and _within(seeds, repeat.seeds):
            column = side.items.items(score.metric, score.point, repeat.seeds, field)
            if column is not None:
                yield from zip(column.items, column.values, strict=True)


def _within(part: Mapping[str, Json], whole: Mapping[str, Json]) -> bool:
    return all(name in whole and canonical(whole[name]) == canonical(value) for name, value in part.items())


def _upstream(run: Run, node: str) -> set[str]:
    """Return the stages upstream of a metric, as declared in the suite."""
    stages = run.declaration.get("stages")
    if not isinstance(stages, Mapping):
        return set()
    seen: set[str] = set()
    waiting = [node]
    while waiting:
        declared = stages.get(waiting.pop())
        inputs = declared.get("inputs") if isinstance(declared, Mapping) else None
        for wired in inputs.values() if isinstance(inputs, Mapping) else ():
            for ref in [wired] if isinstance(wired, str) else wired if isinstance(wired, list) else ():
                name = str(ref).partition(".")[0]
                if name not in seen:
                    seen.add(name)
                    waiting.append(name)
    return seen
