"""Rows for a field that is not a mean over items: how far each item moves the field.

The row of an item is the field's value plus the item's influence. The influences of a sample sum to 0, so the mean
of the rows is the value, and the ordinary standard error of that mean is the jackknife standard error of the field.
Rows of the same items in two runs can be paired like any others.

The influence is either that of the jackknife or that of the infinitesimal jackknife. The first is n - 1 times what
the field loses without the item (Efron and Stein, 1981: the variance is too large rather than too small on average).
The second is n times the derivative of the field by the item's weight (Jaeckel, 1972). Each metric says which it uses.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence

REAL, GENERATED = "real/", "generated/"
"""Prefixes of row names where a field depends on two samples."""


def jackknife(without: Sequence[float]) -> list[float]:
    """The influences of the items of one sample; they sum to 0.

    Args:
        without: values of the field, each without one of the n items.
    """
    mean = math.fsum(without) / len(without)
    return [(len(without) - 1) * (mean - left) for left in without]


def rows(value: float, *samples: Sequence[float]) -> list[float]:
    """One row per item of independent samples; the mean of the rows is ``value``.

    Their standard error as one sample of N items is the root of the summed variances of the samples. To that end the
    influences of a sample of n items are multiplied by N / n, and by the factor that replaces the divisor n - 1 with
    N - 1.

    Args:
        value: the field's value.
        samples: for each sample the influences of its items, which sum to 0.
    """
    total = sum(map(len, samples))
    found: list[float] = []
    for influences in samples:
        n = len(influences)
        scale = total / n * (n / max(1, n - 1) * (total - 1) / total) ** 0.5
        found += [value + scale * influence for influence in influences]
    return found


def ratio(
    amounts: Sequence[float], sizes: Sequence[float], clusters: Sequence[Hashable] | None = None
) -> tuple[float, list[float]]:
    """sum(amounts) / sum(sizes), and one row per item; the mean of the rows is the ratio.

    For I items with amounts y, sizes x and R = sum(y) / sum(x), the linearised row R + (y_i - R x_i) I / sum(x) has
    the variance of R to first order (Taylor linearisation: Särndal, Swensson and Wretman 1992, section 5.6; Cochran
    1977, section 6.4). A cluster that makes up much of the total pulls R towards itself, so its linearised rows deviate
    too little. The rows returned are therefore the jackknife's, in which x is summed over the other clusters. For
    clusters of equal size both are the same. With a single cluster there is no jackknife, and the rows are the
    linearised ones.

    Args:
        amounts: y, one per item.
        sizes: x, not all 0.
        clusters: the cluster of each item; items of one cluster are not independent. By default each item is its own.
    """
    of = list(range(len(sizes)) if clusters is None else clusters)
    size = math.fsum(sizes)
    mean = math.fsum(amounts) / size
    held: dict[Hashable, float] = {}
    for cluster, x in zip(of, sizes, strict=True):
        held[cluster] = held.get(cluster, 0.0) + x
    count = len(held)
    rest = {c: size if count == 1 else max((size - x) * count / (count - 1), 0.0) for c, x in held.items()}
    moved = [
        (y - mean * x) * len(of) / rest[c] if rest[c] else 0.0
        for y, x, c in zip(amounts, sizes, of, strict=True)
    ]
    centre = math.fsum(moved) / len(moved)
    return mean, [mean + m - centre for m in moved]


def named(samples: Mapping[str, Sequence[str]]) -> list[str]:
    """The names of the rows of several samples: each item's name, prefixed with the name of its sample."""
    return [prefix + item for prefix, items in samples.items() for item in items]
