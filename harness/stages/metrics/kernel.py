"""The kernel distance between real and generated images (KID): unbiased at any N."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from harness.artifact import Features
from harness.compute.influence import GENERATED, REAL, jackknife, named, rows
from harness.errors import StageError
from harness.stage import Count, Direction, Items, Scores, stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = 3
"""Least number of vectors per side: without one of them, two are left to make a pair."""
BLOCK = 1024
"""Vectors per side that are compared at once."""


@dataclass(frozen=True, kw_only=True)
class KernelScores(Scores):
    """Scores in the kernel's unit, which depends on the extractor."""

    distance: Annotated[float, Direction("lower", floor=0.01)]
    """The squared maximum mean discrepancy. If the two sets have the same distribution, it is near 0, as often below as
    above; a relative margin is therefore of 0.01 at least.
    """
    standard_error: float
    """Standard error of ``distance`` over generated images, with the real ones fixed (jackknife)."""


@stage(version=1, software=("numpy",))
def distance(real: Features, generated: Features, *, degree: Count = 3) -> KernelScores:
    """Kernel distance (KID) with its standard error: one U-statistic over all pairs.

    The kernel is k(x, y) = (x·y/D + 1)^degree (Bińkowski et al., 2018). For N real x and M generated y the distance is
    mean k(xᵢ, xⱼ) over i ≠ j, plus mean k(yᵢ, yⱼ) over i ≠ j, minus 2 · mean k(xᵢ, yⱼ) over all pairs. There are no
    random draws: the mean over random subsets that other implementations report estimates this number.

    The rows behind it are the jackknife's pseudo-values (Arvesen, 1969), one per real and per generated image, so
    an interval over images is an interval of the distance. A high value marks a generated image that is unlike the
    real ones, or like too many of the generated ones.

    Memory is bounded by blocks; the time is that of (N + M)² products of vectors.

    Args:
        real: features of N ≥ 3 real images.
        generated: features of M ≥ 3 generated images.
        degree: degree of the polynomial; 1 compares means only, 3 means, covariances and skewness.

    Raises:
        StageError: too few images, and the errors of ``formats.features.pair``.
    """
    from harness.formats.features import pair

    a, b = pair(real, generated)
    n, m = a.count, b.count
    for side, count in (("real", n), ("generated", m)):
        if count < LEAST:
            raise StageError(f"{count} {side} images; a kernel distance needs {LEAST} a side")
    ours, theirs = _others(a.values, degree), _others(b.values, degree)
    of_real, of_generated = _sums(a.values, b.values, degree), _sums(b.values, a.values, degree)
    within = float(ours.sum()) / (n * (n - 1)), float(theirs.sum()) / (m * (m - 1))
    value = sum(within) - 2 * float(of_generated.sum()) / (n * m)
    without_real = within[1] + _left(ours) - 2 * (of_real.sum() - of_real) / (m * (n - 1))
    without = within[0] + _left(theirs) - 2 * (of_generated.sum() - of_generated) / (n * (m - 1))
    influences = jackknife(without_real.tolist()), jackknife(without.tolist())
    return KernelScores(
        distance=value,
        standard_error=float((without.var() * (m - 1)) ** 0.5),
        items=Items(named({REAL: a.items, GENERATED: b.items}), {"distance": rows(value, *influences)}),
        conditions={"n_real": n, "n_generated": m, "dimensions": a.dim},
    )


def _left(others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of k over the pairs without i, for each i, (N,).

    Args:
        others: Σ over j ≠ i of k(xᵢ, xⱼ), (N,).
    """
    n = len(others)
    left: NDArray[np.float64] = (others.sum() - 2 * others) / ((n - 1) * (n - 2))
    return left


def _others(values: NDArray[np.float32], degree: int) -> NDArray[np.float64]:
    """Σ over j ≠ i of k(xᵢ, xⱼ), (N,)."""
    import numpy as np

    found = _sums(values, values, degree)
    for i, x in _blocks(values):
        found[i] -= (np.einsum("ij,ij->i", x, x) / values.shape[1] + 1) ** degree
    return found


def _sums(x: NDArray[np.float32], y: NDArray[np.float32], degree: int) -> NDArray[np.float64]:
    """Σ over j of k(xᵢ, yⱼ), (N,), for ``x`` (N, D) and ``y`` (M, D)."""
    import numpy as np

    found = np.zeros(len(x))
    for i, left in _blocks(x):
        for _, right in _blocks(y):
            found[i] += ((left @ right.T / x.shape[1] + 1) ** degree).sum(axis=1)
    return found


def _blocks(values: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Blocks of rows in float64, each with its slice."""
    for start in range(0, len(values), BLOCK):
        at = slice(start, start + BLOCK)
        yield at, values[at].astype("float64")
