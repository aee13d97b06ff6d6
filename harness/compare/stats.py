"""The statistics behind a verdict: pure functions of numbers, no policy and no I/O.

Everything rests on Student's t, whose only assumption is that the mean of the repeats is about normal.
There is no bootstrap: over three repeats a 90 % percentile bootstrap covers about 61 %.

Every function raises ValueError, naming the argument, for values that are not finite, lists of unequal
length, fewer than two repeats where a spread is needed, and arguments outside their stated range.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.compare.student import in_range, student_cdf, student_quantile

K = TypeVar("K", bound=Hashable)

CONFIDENCE = 0.90
"""Level of the two-sided interval, so that either end of it is a one-sided test at ``ALPHA``."""
ALPHA = 0.05
POWER = 0.80
LARGEST = 1e300
"""Values beyond this magnitude are refused, together with inf and NaN, because sums could overflow."""
COARSE = 1.5
"""Least deviation of one repeat, in steps of a coarse field. By simulation at 3 to 5 seeds and 12 to 40 items, the
worst family-wise error of any claim is 100 % without a floor, 14 % at half a step, 6 % at one and 5 % at this one
(``tests/compare/test_coarse.py``)."""
ROUNDING = 8.0
"""Rounding error of a value in units in the last place; √n times more for a sum of n values."""


@dataclass(frozen=True)
class Estimate:
    """A mean and its uncertainty."""

    mean: float
    """Candidate − baseline in a comparison."""
    se: float
    """Standard error of ``mean``; 0 if nothing varied, and the estimate then counts as exact."""
    df: float
    """Degrees of freedom of Student's t; a real number, at least 1."""
    n: int
    """Independent repeats behind ``mean``: differences, clusters of them, or the smaller of two samples."""

    @property
    def sd(self) -> float:
        """Standard deviation of one repeat, as ``detectable`` and ``repeats_needed`` take it."""
        return self.se * math.sqrt(self.n)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Two-sided t interval (low, high); a point if the standard error is 0."""
        half = student_quantile(0.5 + _open_unit(confidence, "confidence") / 2, self.df) * self.se
        return self.mean - half, self.mean + half

    def p_at_most(self, delta: float = 0.0) -> float:
        """One-sided p-value of H0 "the true mean is <= delta": 1 or 0 where the standard error is 0."""
        return _p_below(_finite((delta,), "delta")[0] - self.mean, self)

    def p_at_least(self, delta: float = 0.0) -> float:
        """One-sided p-value of H0 "the true mean is >= delta": 1 or 0 where the standard error is 0."""
        return _p_below(self.mean - _finite((delta,), "delta")[0], self)

    def detectable(self, alpha: float = ALPHA, power: float = POWER) -> float:
        """The smallest true effect that an experiment like this one shows with probability ``power``.

        This is for design: it depends on the spread and the number of repeats, not on ``mean``.
        """
        return _effect_in_se(self.df, alpha, power) * self.se


def paired(baseline: Sequence[float], candidate: Sequence[float]) -> Estimate:
    """Mean of candidate - baseline over repeats that both sides share, in the same order."""
    if len(baseline) != len(candidate):
        raise ValueError(f"pairs need both sides: {len(baseline)} values against {len(candidate)}")
    before, after = _finite(baseline, "baseline"), _finite(candidate, "candidate")
    return clustered([c - b for b, c in zip(before, after, strict=True)])


def welch(baseline: Sequence[float], candidate: Sequence[float]) -> Estimate:
    """Difference of two means whose repeats are not shared; variances may differ."""
    return apart(clustered(baseline), clustered(candidate))


def apart(before: Estimate, after: Estimate) -> Estimate:
    """Difference of two independent estimates (Welch 1947).

    Pessimistic if the sides are positively correlated because they share some seeds: pair them instead.
    """
    se, df = _pooled([(before.se, before.df), (after.se, after.df)])
    return Estimate(after.mean - before.mean, se, df, min(before.n, after.n))


def overlapping(
    change: float,
    baseline: Mapping[K, float],
    candidate: Mapping[K, float],
    clusters: Mapping[K, Hashable] | None = None,
) -> Estimate:
    """Difference of two statistics of items, of which the sides share all, some or none.

    To first order, each item moves its side's statistic by a *contribution* (the infinitesimal jackknife; Efron and
    Tibshirani 1993, section 20.4). For a mean over n items it is (value - mean) / n. Over the union of items, the
    difference is moved by the candidate's minus the baseline's contribution (0 if a side lacks the item), and the
    contributions of one cluster are added up. With G clusters in each of three groups (those of both sides, of the
    baseline alone, of the candidate alone), se^2 is the sum over the groups of G/(G-1) * sum of squares; the degrees
    of freedom are Welch-Satterthwaite's over the groups, G - 1 for each. For a mean this is the paired (clustered) t
    if all items are shared, and Welch's t if no item is.

    Args:
        change: candidate - baseline, of the statistics themselves.
        baseline: item → contribution; they sum to about 0. Empty for a single sample.
        candidate: as ``baseline``.
        clusters: item → cluster, for the items that are not a cluster of their own.
    """
    if len(baseline) + len(candidate) < 2:
        raise ValueError("an estimate needs at least two items")
    (
        _finite((change,), "change"),
        _finite(baseline.values(), "baseline"),
        _finite(candidate.values(), "candidate"),
    )
    named = clusters or {}
    moved: dict[tuple[bool, Hashable], list[float]] = {}
    sides: dict[tuple[bool, Hashable], set[int]] = {}
    for sign, side in ((-1, baseline), (1, candidate)):
        for item, contribution in side.items():
            cluster = (item in named, named.get(item, item))
            moved.setdefault(cluster, []).append(sign * contribution)
            sides.setdefault(cluster, set()).add(sign)
    groups: dict[frozenset[int], list[float]] = {}
    for cluster, parts in moved.items():
        groups.setdefault(frozenset(sides[cluster]), []).append(math.fsum(parts))
    parts_of = [
        (math.hypot(*sums) * math.sqrt(len(sums) / max(len(sums) - 1, 1)), max(len(sums) - 1.0, 1.0))
        for sums in groups.values()
    ]
    counts = [sum(sign in found for found in sides.values()) for sign in (-1, 1)]
    se, df = _pooled(parts_of)
    return Estimate(change, se, df, min(count for count in counts if count))


def contributions(values: Mapping[K, float]) -> dict[K, float]:
    """By how much each item moves the mean of ``values``: (value - mean) / n."""
    mean = _mean(_finite(values.values(), "values"))
    return {item: (value - mean) / len(values) for item, value in values.items()}


def _pooled(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Standard error and Satterthwaite's degrees of freedom of a sum of independent parts, each (se, df)."""
    se = math.hypot(*(part for part, _ in parts))
    if se == 0.0:
        return 0.0, math.fsum(df for _, df in parts)
    return se, max(1.0 / math.fsum((part / se) ** 4 / df for part, df in parts), 1.0)


def floored(estimate: Estimate, step: float) -> Estimate:
    """The estimate with a standard deviation of one repeat of at least ``COARSE`` steps.

    Values on a grid coincide by chance: three accuracies of 20 items are often equal, which does not show how far a
    fourth would differ. The floor keeps Holm's family-wise error at 5 % from three repeats on.
    """
    sd = COARSE * _not_negative(step, "step")
    return replace(estimate, se=max(estimate.se, sd / math.sqrt(estimate.n)))


def without_rounding(estimate: Estimate, size: float, n: int) -> Estimate:
    """The estimate with its mean and standard error set to 0 if they are no more than rounding.

    Args:
        estimate: estimate from the values.
        size: the largest magnitude among the values.
        n: number of values that were summed.
    """
    least = rounding(size, n)
    return replace(
        estimate,
        mean=0.0 if abs(estimate.mean) <= least else estimate.mean,
        se=0.0 if estimate.se <= least else estimate.se,
    )


def rounding(size: float, n: int) -> float:
    """The largest difference that rounding alone can make between sums of ``n`` values of magnitude ``size``."""
    return (ROUNDING + math.sqrt(n)) * sys.float_info.epsilon * _not_negative(abs(size), "size")


def clustered(differences: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Estimate:
    """Mean of one value per item, with a standard error that allows any dependence inside a cluster.

    With residuals r and G clusters, se^2 = G/(G-1) * sum over clusters of (sum of r)^2 / n^2, with G - 1
    degrees of freedom (CR1 of a mean: Cameron and Miller 2015, section II). One cluster per item, or None, gives the
    ordinary t. Exact for equally large normal clusters. Optimistic if there are few clusters (below about twenty)
    of very different sizes, because the largest then dominate. The Estimate's n is G.
    """
    values = _finite(differences, "values")
    if clusters is not None and len(clusters) != len(values):
        raise ValueError(f"every value needs a cluster: {len(values)} values, {len(clusters)} clusters")
    groups = range(len(values)) if clusters is None else clusters
    n, g = len(values), len(set(groups))
    if g < 2:
        what = "values" if clusters is None else "clusters"
        raise ValueError(f"an estimate needs at least two {what}, not {g}")
    mean = _mean(values)
    sums = [math.fsum(r) for r in _grouped([v - mean for v in values], groups).values()]
    return Estimate(mean, math.hypot(*sums) / n * math.sqrt(g / (g - 1)), g - 1.0, g)


def weighted(values: Sequence[float], weights: Sequence[int]) -> Estimate:
    """Mean of repeats of which some count several times, because their outputs are equal.

    With shares w = weight / sum of weights and residuals r of k values, se^2 = k/(k-1) * sum of (w r)^2. The degrees of
    freedom are those of the effective number of repeats (Kish 1965), 1 / sum of w^2, less one: a value that is most of
    the mean leaves little that shows how far another would be. Equal weights give the ordinary t.
    """
    if len(values) != len(weights) or min(weights, default=0) < 1:
        raise ValueError(f"every value needs a weight of at least 1: {len(values)} values, {list(weights)}")
    if len(set(weights)) == 1:
        return clustered(values)
    known, total = _finite(values, "values"), sum(weights)
    mean = math.fsum(w * v for w, v in zip(weights, known, strict=True)) / total
    moves = [w / total * (v - mean) for w, v in zip(weights, known, strict=True)]
    k, effective = len(values), total**2 / sum(w * w for w in weights)
    return Estimate(mean, math.hypot(*moves) * math.sqrt(k / (k - 1)), max(effective - 1.0, 1.0), k)


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> list[bool]:
    """Which claims remain after Holm's step-down procedure, in the order given (Holm 1979).

    The chance of even one false claim among them is at most ``alpha``, whatever the dependence between the
    claims. Pessimistic if they are strongly correlated, as metrics of the same images are.
    """
    _open_unit(alpha, "alpha")
    survives = [False] * len(p_values)
    for p in p_values:
        in_range(p, 0.0 <= p <= 1.0, "a p-value must lie between 0 and 1")
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[i] > alpha / (len(p_values) - rank):
            break
        survives[i] = True
    return survives


def detectable(sd: float, n: int, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest true effect that ``n`` repeats show with probability ``power``, in the unit of ``sd``.

    Args:
        sd: standard deviation of one paired difference. For two independent samples of n, the square root of
            the summed variances; the result is then pessimistic, as their t has more than n - 1 degrees of freedom.
        n: repeats, at least 2.
        alpha: one-sided level; each side of a 90 % interval has 0.05.
        power: between 0.5 and 1.
    """
    in_range(n, n >= 2, "n must be at least 2")
    return _effect_in_se(n - 1.0, alpha, power) * _not_negative(sd, "sd") / math.sqrt(n)


def repeats_needed(
    sd: float, margin: float, alpha: float = ALPHA, power: float = POWER, most: int = 10_000
) -> int | None:
    """The smallest total number of repeats at which an effect of ``margin`` is detectable.

    By symmetry it is also the number at which an unchanged system has its whole interval below the margin with
    probability ``power``. Pessimistic for independent samples, as ``detectable`` is.

    Returns:
        At least 2; None if even ``most`` repeats are too few, so that a larger margin is needed.
    """
    in_range(margin, 0.0 < margin <= LARGEST, "margin must be finite and positive")
    in_range(most, most >= 2, "most must be at least 2")
    enough = bisect_left(range(2, most + 1), True, key=lambda n: detectable(sd, n, alpha, power) <= margin)
    return enough + 2 if enough + 2 <= most else None


def margin_of(relative: float, baseline_mean: float, floor: float) -> float:
    """An absolute margin: the fraction ``relative`` of the baseline's magnitude, or of ``floor`` if that is larger.

    Without a floor, every difference would exceed the margin of a baseline near 0. The baseline may be negative.
    """
    size = abs(_finite((baseline_mean,), "baseline mean")[0])
    return _not_negative(relative, "relative margin") * max(size, _not_negative(floor, "floor"))


def _effect_in_se(df: float, alpha: float, power: float) -> float:
    """Sum of two quantiles, within 1.2 % of the exact (noncentral t) result; 6 % below it at df = 1."""
    in_range(power, 0.5 <= power < 1.0, "power must be at least 0.5 and below 1")
    return student_quantile(1 - _open_unit(alpha, "alpha"), df) + student_quantile(power, df)


def _p_below(gap: float, estimate: Estimate) -> float:
    if estimate.se == 0.0:
        return 1.0 if gap >= 0.0 else 0.0
    return student_cdf(gap / estimate.se, estimate.df)


def _mean(values: Sequence[float]) -> float:
    """The mean; exactly the common value if all are equal, so that a rounding error is not taken for spread."""
    return values[0] if min(values) == max(values) else math.fsum(values) / len(values)


def _grouped(values: Iterable[float], groups: Iterable[K]) -> Mapping[K, list[float]]:
    members: dict[K, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        members.setdefault(group, []).append(value)
    return members


def _finite(values: Iterable[float], name: str) -> list[float]:
    return [in_range(float(v), abs(v) <= LARGEST, f"{name} must be finite") for v in values]


def _not_negative(value: float, name: str) -> float:
    return in_range(value, 0.0 <= value <= LARGEST, f"{name} must be finite and not negative")


def _open_unit(value: float, name: str) -> float:
    return in_range(value, 0.0 < value < 1.0, f"{name} must lie strictly between 0 and 1")
