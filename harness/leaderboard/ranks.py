"""Ranks with confidence: for every row the range of ranks that the repeats support.

A row's ranks run from 1 + the number of rows that are surely better to n − the number that are surely worse. All these
claims hold together with a probability of at least 1 − alpha, and then every row's true rank is within its range. Rows
that cannot be distinguished need no order, so it does not matter that being indistinguishable is not transitive.

Sources: Klein, Wright and Wieczorek (2020), "A joint confidence region for an overall ranking of populations"
(``by_intervals``); Mohamad, Goeman and van Zwet (2022), "Simultaneous confidence intervals for ranks" (from pairwise
tests, ``by_differences``).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from harness.compare.stats import ALPHA, Estimate, holm


class Ranks(NamedTuple):
    """The range of ranks that a row may have; 1 is best. Both ends are equal if the rank is certain."""

    best: int
    worst: int


def by_differences(rows: int, p_better: Callable[[int, int], float], alpha: float = ALPHA) -> list[Ranks]:
    """Rank rows by a test of every pair, with Holm's correction over all tests.

    Args:
        rows: number of rows; the work is quadratic in it.
        p_better: the one-sided p-value of H0 "row i is not better than row j".
        alpha: maximum probability that any row's true rank is outside its range.
    """
    claims = [(i, j) for i in range(rows) for j in range(rows) if i != j]
    survives = holm([p_better(i, j) for i, j in claims], alpha)
    better, worse = [0] * rows, [0] * rows
    for (i, j), sure in zip(claims, survives, strict=True):
        better[j] += sure
        worse[i] += sure
    return [Ranks(1 + above, rows - below) for above, below in zip(better, worse, strict=True)]


def by_intervals(estimates: Sequence[Estimate | None], *, lower: bool, alpha: float = ALPHA) -> list[Ranks]:
    """Rank rows by their own intervals, which hold together with confidence 1 − alpha (Bonferroni).

    For rows that share no repeats, or that are too many for a test of every pair. Pessimistic if they share some.

    Args:
        estimates: estimate of each row's mean; None if unknown: the row may then have any rank.
        lower: whether the lower value is the better one.
        alpha: as in ``by_differences``.
    """
    n = len(estimates)
    bounds = [None if e is None else e.interval(1 - alpha / n) for e in estimates]
    if not lower:
        bounds = [None if b is None else (-b[1], -b[0]) for b in bounds]
    known = [b for b in bounds if b is not None]
    lows, highs = sorted(low for low, _ in known), sorted(high for _, high in known)
    return [
        Ranks(1, n)
        if b is None
        else Ranks(1 + bisect_left(highs, b[0]), n - (len(lows) - bisect_right(lows, b[1])))
        for b in bounds
    ]
