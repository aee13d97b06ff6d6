"""The kernel distance between real and generated images (KID): unbiased at any N."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from harness.artifact import Features
from harness.errors import StageError
from harness.stage import Count, Direction, Items, Scores, stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = 3
"""Generated vectors: without one of them, two are left to make a pair."""
BLOCK = 1024
"""Vectors a side that are compared at once."""


@dataclass(frozen=True, kw_only=True)
class KernelScores(Scores):
    """In the kernel's unit, which has no scale of its own: it depends on the extractor."""

    distance: Annotated[float, Direction("lower", floor=0.01)]
    """The squared maximum mean discrepancy. Near 0, and as often below as above it, where the two sets are of one
    distribution; a relative margin is therefore of 0.01 at least."""
    standard_error: float
    """Of ``distance``, over generated images, the real ones as they are (jackknife)."""


@stage(version=1, software=("numpy",))
def distance(real: Features, generated: Features, *, degree: Count = 3) -> KernelScores:
    """Kernel distance (KID) with its standard error: one U-statistic over all pairs.

    With the kernel k(x, y) = (x·y/D + 1)^degree (Bińkowski et al., 2018) of N real x and M generated y:
    mean k(xᵢ, xⱼ) over i ≠ j, plus mean k(yᵢ, yⱼ) over i ≠ j, less 2 · mean k(xᵢ, yⱼ) over all pairs. Nothing is
    drawn: the mean over random subsets that other implementations report estimates this number.

    The rows behind it are the jackknife's pseudo-values, one per generated image: M times the distance less M − 1
    times the distance without that image. Their mean is the distance exactly, as for every U-statistic, and their
    standard error is its own (Arvesen, 1969), so that an interval over images is one of the distance. A high value
    marks an image unlike the real ones, or like too many of the generated.

    Memory is bounded by blocks; the time is that of (N + M)² products of vectors.

    Args:
        real: features of N ≥ 2 real images.
        generated: features of M ≥ 3 generated images.
        degree: of the polynomial; 1 compares means alone, 3 means, covariances and skewness.

    Raises:
        StageError: too few images, and what ``features.vectors.pair`` refuses.
    """
    from harness.metrics.features.vectors import pair

    a, b = pair(real, generated)
    n, m = a.count, b.count
    if m < LEAST:
        raise StageError(f"{m} generated images; a kernel distance needs {LEAST}")
    within_real = float(_others(a.values, degree).sum()) / (n * (n - 1))
    own = _others(b.values, degree)
    cross = _sums(b.values, a.values, degree)
    value = within_real + float(own.sum()) / (m * (m - 1)) - 2 * float(cross.sum()) / (n * m)
    left_own = (own.sum() - 2 * own) / ((m - 1) * (m - 2))
    left_cross = (cross.sum() - cross) / (n * (m - 1))
    pseudo = m * value - (m - 1) * (within_real + left_own - 2 * left_cross)
    return KernelScores(
        distance=value,
        standard_error=float(pseudo.std(ddof=1) / m**0.5),
        items=Items(b.items, {"distance": pseudo.tolist()}),
        conditions={"n_real": n, "n_generated": m, "dimensions": a.dim},
    )


def _others(values: NDArray[np.float32], degree: int) -> NDArray[np.float64]:
    """Σ over j ≠ i of k(xᵢ, xⱼ), (N,)."""
    import numpy as np

    found = _sums(values, values, degree)
    for i, rows in _blocks(values):
        found[i] -= (np.einsum("ij,ij->i", rows, rows) / values.shape[1] + 1) ** degree
    return found


def _sums(x: NDArray[np.float32], y: NDArray[np.float32], degree: int) -> NDArray[np.float64]:
    """Σ over j of k(xᵢ, yⱼ), (N,), for ``x`` (N, D) and ``y`` (M, D)."""
    import numpy as np

    found = np.zeros(len(x))
    for i, rows in _blocks(x):
        for _, columns in _blocks(y):
            found[i] += ((rows @ columns.T / x.shape[1] + 1) ** degree).sum(axis=1)
    return found


def _blocks(values: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Runs of rows in float64, and where they stand."""
    for start in range(0, len(values), BLOCK):
        at = slice(start, start + BLOCK)
        yield at, values[at].astype("float64")
