"""Squared Euclidean distances between feature vectors, in float64 and block by block.

What is held at any time is a few blocks of ``BLOCK`` vectors a side, however many there are. Distances are right
to about ten digits however close two vectors are, and those of equal vectors are exactly 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[Any]
"""(N, D), float32 as features are stored; a memory map is read by the block."""
Doubles = NDArray[np.float64]
Truths = NDArray[np.bool_]

BLOCK = 1024

SLACK = 1e-9
"""Squared distances this close, relatively, are equal: below what float32 features resolve, above what the
order of a sum changes. Without it a tie would be decided by the matrix product's block size."""


def centre(vectors: Matrix) -> Doubles:
    """The mean vector, (D,); what is subtracted before products are taken keeps them small."""
    total: Doubles = np.zeros(vectors.shape[1])
    for _, block in blocks(vectors, total.copy()):
        total += block.sum(axis=0)
    return total / len(vectors)


def mean_squared(vectors: Matrix) -> float:
    """The mean squared distance of two different vectors: twice the trace of their covariance."""
    middle = centre(vectors)
    total = sum(float(np.einsum("ij,ij->", b, b)) for _, b in blocks(vectors, middle))
    return 2 * total / (len(vectors) - 1)


def blocks(vectors: Matrix, middle: Doubles) -> Iterator[tuple[slice, Doubles]]:
    """Vectors less ``middle`` in float64, a block at a time, and where they stand."""
    for at in slices(len(vectors)):
        yield at, vectors[at].astype(np.float64) - middle


def slices(count: int) -> list[slice]:
    """0 to ``count`` in runs of at most ``BLOCK``."""
    return [slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]


def squared(x: Doubles, y: Doubles) -> Doubles:
    """Squared distances (n, m) of (n, D) and (m, D).

    By |x|² + |y|² − 2⟨x, y⟩, which is one matrix product; where more than four digits cancel, by the differences.
    """
    size = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)
    distances: Doubles = size - 2 * (x @ y.T)
    cancelled = distances <= 1e-4 * size
    for row in np.flatnonzero(cancelled.any(axis=1)):
        columns = np.flatnonzero(cancelled[row])
        difference = y[columns] - x[row]
        distances[row, columns] = np.einsum("ij,ij->i", difference, difference)
    return distances


def radii(vectors: Matrix, k: int) -> Doubles:
    """Squared distance (N,) of each vector to its k-th nearest among the others; k < N.

    Another vector with equal values is a neighbour at distance 0.
    """
    middle = centre(vectors)
    found = np.empty(len(vectors))
    for rows, x in blocks(vectors, middle):
        nearest_k = np.full((len(x), k), np.inf)
        for columns, y in blocks(vectors, middle):
            distances = squared(x, y)
            if columns == rows:
                np.fill_diagonal(distances, np.inf)
            candidates = np.concatenate([nearest_k, distances], axis=1)
            nearest_k = np.partition(candidates, k - 1, axis=1)[:, :k]
        found[rows] = nearest_k.max(axis=1)
    return found


@dataclass(frozen=True)
class Balls:
    """Which of two sets lie in whose balls: around each vector, as far as its k-th nearest neighbour."""

    around_generated: NDArray[np.int64]
    """(M,): how many balls of real vectors hold each generated one."""
    reached: Truths
    """(N,): whether a ball of a generated vector holds this real one."""
    covered: Truths
    """(N,): whether this real vector's ball holds a generated one."""


def balls(real: Matrix, generated: Matrix, real_radii: Doubles, generated_radii: Doubles) -> Balls:
    """Membership of N real and M generated vectors in one another's balls, boundaries included.

    Args:
        real: (N, D).
        generated: (M, D).
        real_radii: squared, (N,).
        generated_radii: squared, (M,).
    """
    middle = centre(real)
    around = np.zeros(len(generated), dtype=np.int64)
    reached, covered = (np.zeros(len(real), dtype=np.bool_) for _ in range(2))
    for rows, x in blocks(real, middle):
        for columns, y in blocks(generated, middle):
            distances = squared(x, y)
            inside = distances <= real_radii[rows, None] * (1 + SLACK)
            around[columns] += inside.sum(axis=0)
            covered[rows] |= inside.any(axis=1)
            reached[rows] |= (distances <= generated_radii[columns] * (1 + SLACK)).any(axis=1)
    return Balls(around, reached, covered)


@dataclass(frozen=True)
class Nearest:
    """Of each of N vectors the nearest of another set."""

    index: NDArray[np.int64]
    """(N,): the first of equally near ones."""
    squared: Doubles
    """(N,): its squared distance."""


def nearest(vectors: Matrix, others: Matrix) -> Nearest:
    """The nearest of ``others`` (M, D) for each of ``vectors`` (N, D)."""
    middle = centre(others)
    index, found = np.zeros(len(vectors), dtype=np.int64), np.full(len(vectors), np.inf)
    for rows, x in blocks(vectors, middle):
        for columns, y in blocks(others, middle):
            distances = squared(x, y)
            column = distances.argmin(axis=1)
            least = distances[np.arange(len(x)), column]
            closer = least < found[rows]
            index[rows] = np.where(closer, columns.start + column, index[rows])
            found[rows] = np.where(closer, least, found[rows])
        # Again from the differences: a distance then depends on its two vectors alone, on no block's rounding.
        difference = others[index[rows]] - middle - x
        found[rows] = np.einsum("ij,ij->i", difference, difference)
    return Nearest(index, found)
