"""Student's t in a few lines: loading ``scipy.stats`` takes a second, too long for a plan or a comparison.

Every function raises ValueError, naming the argument, for arguments outside their stated range.
"""

from __future__ import annotations

import math
from functools import lru_cache


def student_cdf(t: float, df: float) -> float:
    """P(T <= t) for Student's t with real ``df`` from 1 to 1e9; relative error 1e-10 in the lower tail, up to df = 1e6.

    For the upper tail take ``student_cdf(-t, df)``, not ``1 - student_cdf(t, df)``.
    """
    in_range(t, not math.isnan(t), "t must be a number")
    inside, outside, _ = _student(abs(t), _degrees(df))
    if t <= 0.0:
        return outside / 2
    return 1.0 - outside / 2 if outside < inside else 0.5 + inside / 2


@lru_cache(maxsize=4096)
def student_quantile(p: float, df: float) -> float:
    """The t with P(T <= t) = ``p``, 1e-100 < p < 1, to 1e-10 relative up to df = 1e6.

    Newton's method from the left of the root: P(abs(T) > t) is convex in t > 0, so that every step stays
    left of it and no bracket is needed.
    """
    in_range(p, 1e-100 < p < 1.0, "p must lie strictly between 1e-100 and 1")
    inside, outside = abs(2 * p - 1), 2 * min(p, 1 - p)
    t = inside * math.sqrt(_degrees(df)) / (2 * _one_over_beta(df))
    while True:
        within, beyond, density = _student(t, df)
        error = inside - within if inside < outside else beyond - outside
        step = error / (2 * density)
        t += step
        if step <= 1e-14 * t:
            return math.copysign(t, p - 0.5)


def _student(t: float, df: float) -> tuple[float, float, float]:
    """P(|T| < t), P(|T| >= t) and the density at t, for t >= 0; each with a small relative error even if it is small.

    Both are regularised incomplete beta functions with parameters 1/2 and df/2 (DLMF 8.17.22).
    """
    r = (t / math.sqrt(df)) * (t / math.sqrt(df))
    if r in (0.0, math.inf):  # t = 0, under- or overflow: the limits
        return (1.0, 0.0, 0.0) if r else (0.0, 1.0, _one_over_beta(df) / math.sqrt(df))
    front = _one_over_beta(df) * math.exp(-df / 2 * math.log1p(r)) * math.sqrt(r / (1 + r))
    if t * t < 3.0:
        inside = 2 * front * _beta_fraction(0.5, df / 2, r / (1 + r))
        return inside, 1.0 - inside, front / t
    outside = 2 / df * front * _beta_fraction(df / 2, 0.5, 1 / (1 + r))
    return 1.0 - outside, outside, front / t


def _one_over_beta(df: float) -> float:
    """1 / B(df/2, 1/2). For a > 100 two log-gammas cancel, so the series for their ratio is used."""
    a = df / 2
    if a < 100:
        return math.exp(math.lgamma(a + 0.5) - math.lgamma(a)) / math.sqrt(math.pi)
    series = 1 - 1 / (8 * a) + 1 / (128 * a**2) + 5 / (1024 * a**3) - 21 / (32768 * a**4)  # DLMF 5.11.13
    return math.sqrt(a / math.pi) * series


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function I_x(a, b), by Lentz's method."""
    tiny = 1e-300  # used instead of a zero denominator
    c, d = 1.0, 1.0 / ((1 - (a + b) * x / (a + 1)) or tiny)
    value, m = d, 0
    while True:
        m += 1
        even, odd = m * (b - m) / (a + 2 * m - 1), -(a + m) * (a + b + m) / (a + 2 * m + 1)
        for step in (even * x / (a + 2 * m), odd * x / (a + 2 * m)):
            d, c = 1.0 / ((1 + step * d) or tiny), (1 + step / c) or tiny
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            return value


def _degrees(df: float) -> float:
    return in_range(df, 1.0 <= df <= 1e9, "df must be between 1 and 1e9")


def in_range(value: float, holds: bool, rule: str) -> float:
    """``value``, or ValueError with the ``rule`` that it violates."""
    if not holds:
        raise ValueError(f"{rule}; it is {value!r}")
    return value
