"""The statistics behind a verdict: pure functions of numbers, no policy and no I/O.

Everything rests on Student's t, whose only assumption is that the mean of the repeats is about normal.
There is no bootstrap: over three repeats a 90 % percentile bootstrap covers about 61 %.

Every function raises ValueError, naming the argument, for values that are not finite, lists of unequal
length, fewer than two repeats where a spread is needed, and arguments outside their stated range.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.compare.student import in_range, student_cdf, student_quantile

K = TypeVar("K", bound=Hashable)

CONFIDENCE = 0.90
"""Two-sided, so that either end of the interval is a one-sided test at ``ALPHA``."""
ALPHA = 0.05
POWER = 0.80
LARGEST = 1e300
"""Beyond this magnitude sums could overflow, so that it is refused together with inf and NaN."""


@dataclass(frozen=True)
class Estimate:
    """A mean, and how far it can be trusted."""

    mean: float
    """Candidate - baseline for a comparison."""
    se: float
    """Standard error of ``mean``; 0 where nothing varied, and the estimate then counts as exact."""
    df: float
    """Degrees of freedom of Student's t; real, at least 1."""
    n: int
    """Independent repeats behind ``mean``: differences, clusters of them, or the smaller of two samples."""

    @property
    def sd(self) -> float:
        """Standard deviation of one repeat: what ``detectable`` and ``repeats_needed`` take."""
        return self.se * math.sqrt(self.n)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Two-sided t interval (low, high); a point where the standard error is 0."""
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

        Design, not hindsight: it depends on the spread and the number of repeats, not on ``mean``.
        """
        return _effect_in_se(self.df, alpha, power) * self.se


def paired(baseline: Sequence[float], candidate: Sequence[float]) -> Estimate:
    """Mean of candidate - baseline over repeats that both sides share, in the same order."""
    if len(baseline) != len(candidate):
        raise ValueError(f"pairs need both sides: {len(baseline)} values against {len(candidate)}")
    before, after = _finite(baseline, "baseline"), _finite(candidate, "candidate")
    return clustered([c - b for b, c in zip(before, after, strict=True)])


def welch(
    baseline: Sequence[float],
    candidate: Sequence[float],
    baseline_clusters: Sequence[Hashable] | None = None,
    candidate_clusters: Sequence[Hashable] | None = None,
) -> Estimate:
    """Difference of two means whose repeats (seeds or items) are not shared; variances may differ.

    The degrees of freedom are Welch-Satterthwaite's. Pessimistic where the sides are positively
    correlated (they share some seeds, items or clusters): pair whenever they can be paired.
    """
    before, after = clustered(baseline, baseline_clusters), clustered(candidate, candidate_clusters)
    mean, se, n = after.mean - before.mean, math.hypot(before.se, after.se), min(before.n, after.n)
    if se == 0.0:
        return Estimate(mean, 0.0, before.df + after.df, n)
    share_before, share_after = (before.se / se) ** 2, (after.se / se) ** 2
    df = 1.0 / (share_before**2 / before.df + share_after**2 / after.df)
    return Estimate(mean, se, max(df, 1.0), n)


def clustered(differences: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Estimate:
    """Mean of one value per item, with a standard error that allows any dependence inside a cluster.

    With residuals r and G clusters, se^2 = G/(G-1) * sum over clusters of (sum of r)^2 / n^2, with G - 1
    degrees of freedom (CR1 of a mean: Cameron and Miller 2015, section II). One cluster per item, or None,
    is the ordinary t. Exact for equally large normal clusters; optimistic where few clusters (below some
    twenty) differ much in size, because the largest then decide alone. The Estimate's n is G.
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


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> list[bool]:
    """Which claims survive Holm's step-down, in the order given (Holm 1979).

    The chance of even one false survivor is at most ``alpha``, whatever the dependence between the
    claims; pessimistic where they are strongly correlated, as metrics of the same images are.
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
        sd: standard deviation of one paired difference. For two independent samples of n, the root of
            the summed variances: pessimistic then, as their t has more than n - 1 degrees of freedom.
        n: repeats, at least 2.
        alpha: one-sided level; each side of a 90 % interval has 0.05.
        power: between 0.5 and 1.
    """
    in_range(n, n >= 2, "n must be at least 2")
    return _effect_in_se(n - 1.0, alpha, power) * _not_negative(sd, "sd") / math.sqrt(n)


def repeats_needed(
    sd: float, margin: float, alpha: float = ALPHA, power: float = POWER, most: int = 10_000
) -> int | None:
    """The fewest repeats, in all, at which an effect of ``margin`` is detectable.

    By symmetry it is also the number at which a system that did not change has its whole interval below
    the margin with probability ``power``. Pessimistic for independent samples, as ``detectable`` is.

    Returns:
        At least 2; None where even ``most`` repeats are too few, so that a larger margin is the answer.
    """
    in_range(margin, 0.0 < margin <= LARGEST, "margin must be finite and positive")
    in_range(most, most >= 2, "most must be at least 2")
    enough = bisect_left(range(2, most + 1), True, key=lambda n: detectable(sd, n, alpha, power) <= margin)
    return enough + 2 if enough + 2 <= most else None


def average_nested(values: Sequence[float], groups: Sequence[K]) -> dict[K, float]:
    """The mean of each outer group, in order of first appearance; ``groups``: the outermost seeds.

    Repeats inside a group are not independent, so that only these means may be counted as repeats.
    """
    if len(values) != len(groups):
        raise ValueError(f"every value needs a group: {len(values)} values, {len(groups)} groups")
    return {group: _mean(inner) for group, inner in _grouped(_finite(values, "values"), groups).items()}


def margin_of(relative: float, baseline_mean: float, floor: float) -> float:
    """An absolute margin: the fraction ``relative`` of the baseline's size, or of ``floor`` if larger.

    Without a floor, a baseline near 0 would make every difference matter. The baseline may be negative.
    """
    size = abs(_finite((baseline_mean,), "baseline mean")[0])
    return _not_negative(relative, "relative margin") * max(size, _not_negative(floor, "floor"))


def _effect_in_se(df: float, alpha: float, power: float) -> float:
    """Sum of two quantiles, within 1.2 % of the exact (noncentral t) answer; 6 % below it at df = 1."""
    in_range(power, 0.5 <= power < 1.0, "power must be at least 0.5 and below 1")
    return student_quantile(1 - _open_unit(alpha, "alpha"), df) + student_quantile(power, df)


def _p_below(gap: float, estimate: Estimate) -> float:
    if estimate.se == 0.0:
        return 1.0 if gap >= 0.0 else 0.0
    return student_cdf(gap / estimate.se, estimate.df)


def _mean(values: Sequence[float]) -> float:
    """Exactly the value where all are equal, so that no rounding error passes for spread."""
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
