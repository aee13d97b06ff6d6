"""Agreement of raters: Krippendorff's α, and each rater's consistency on images shown twice.

All functions are pure. α is 1 - observed / expected disagreement over all pairs of ratings of one unit
(Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"): 1 is agreement, 0 is what chance would give.
Its interval is Student's t over the delete-one-unit jackknife's pseudo-values (Efron and Tibshirani 1993,
chapter 11): deterministic, and about these raters on other units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.compare import stats

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
