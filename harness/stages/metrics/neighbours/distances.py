"""Squared Euclidean distances between feature vectors, in float64 and by block; membership of points in balls.

Only a few blocks of ``BLOCK`` vectors per side are in memory at any time. Distances are accurate to about ten
digits however close two vectors are, and those of equal vectors are exactly 0.

A neighbour's radius does not change smoothly with the weight of a vector, so no infinitesimal jackknife exists. The
counts without each vector follow from two memberships: in the ball itself, and in the ball that reaches to the next
neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[Any]
"""(N, D), float32 as features are stored; a memory map is read by block."""
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]

BLOCK = 1024

SLACK = 1e-9
"""Squared distances that differ by less, relatively, are treated as equal: below the resolution of float32 features,
above the effect of summation order. Without it the matrix product's block size would decide ties.
"""


def centre(vectors: Matrix) -> Doubles:
    """The mean vector, (D,); subtracting it keeps the terms of products small."""
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
    """Vectors minus ``middle`` in float64, one block at a time, each with its slice."""
    for at in slices(len(vectors)):
        yield at, vectors[at].astype(np.float64) - middle


def slices(count: int) -> list[slice]:
    """0 to ``count`` in runs of at most ``BLOCK``."""
    return [slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]


def squared(x: Doubles, y: Doubles) -> Doubles:
    """Squared distances (n, m) of (n, D) and (m, D).

    Computed as |x|² + |y|² − 2⟨x, y⟩, which is one matrix product. Where more than four digits cancel, they are
    computed from the differences instead.
    """
    size = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)
    distances: Doubles = size - 2 * (x @ y.T)
    cancelled = distances <= 1e-4 * size
    for row in np.flatnonzero(cancelled.any(axis=1)):
        columns = np.flatnonzero(cancelled[row])
        difference = y[columns] - x[row]
        distances[row, columns] = np.einsum("ij,ij->i", difference, difference)
    return distances


@dataclass(frozen=True)
class Balls:
    """A ball around each of N vectors that reaches to its k-th nearest other vector."""

    radii: Doubles
    """Squared radii, (N,)."""
    wider: Doubles
    """Squared radii once one of the k nearest is removed, (N,)."""
    near: Indices
    """Indices of the k nearest, (N, k)."""


def balls(vectors: Matrix, k: int) -> Balls:
    """The balls of N vectors; k + 1 < N.

    Another vector with equal values is a neighbour at distance 0.
    """
    middle = centre(vectors)
    nearest_k = np.full((len(vectors), k + 1), np.inf)
    which = np.zeros((len(vectors), k + 1), dtype=np.int64)
    for rows, x in blocks(vectors, middle):
        for columns, y in blocks(vectors, middle):
            distances = squared(x, y)
            if columns == rows:
                np.fill_diagonal(distances, np.inf)
            candidates = np.concatenate([nearest_k[rows], distances], axis=1)
            indices = np.broadcast_to(np.arange(columns.start, columns.stop), distances.shape)
            known = np.concatenate([which[rows], indices], axis=1)
            least = np.argpartition(candidates, k, axis=1)[:, : k + 1]
            nearest_k[rows] = np.take_along_axis(candidates, least, axis=1)
            which[rows] = np.take_along_axis(known, least, axis=1)
    order = np.argsort(nearest_k, axis=1, kind="stable")
    nearest_k, which = (np.take_along_axis(v, order, axis=1) for v in (nearest_k, which))
    return Balls(nearest_k[:, k - 1], nearest_k[:, k], which[:, :k])


@dataclass(frozen=True)
class Nearest:
    """The nearest vector of another set, for each of N vectors."""

    index: NDArray[np.int64]
    """Index of the nearest, (N,): the first of equally near ones."""
    squared: Doubles
    """Its squared distance, (N,)."""


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
        # Recomputed from the differences, so a distance depends on its two vectors only, not on a block's rounding.
        difference = others[index[rows]] - middle - x
        found[rows] = np.einsum("ij,ij->i", difference, difference)
    return Nearest(index, found)


@dataclass(frozen=True)
class Membership:
    """Counts for N balls around the vectors of one set and M points of another; boundaries belong to the balls."""

    around: Indices
    """Number of balls that hold each point, (M,)."""
    holds: Indices
    """Number of points that each ball holds, (N,)."""
    held_without: Doubles
    """Share of the points that some ball holds, without each of the N vectors, (N,)."""
    around_without: Doubles
    """Mean number of balls that hold a point, without each of the N vectors, (N,)."""
    holding_without: Doubles
    """Share of the other balls that hold some point, without each of the N vectors, (N,)."""
    holding_without_point: Doubles
    """Share of the balls that hold some point, without each of the M points, (M,)."""


def membership(vectors: Matrix, points: Matrix, around: Balls) -> Membership:
    """Count the points in balls, a block of points at a time.

    Args:
        vectors: (N, D), the centres.
        points: (M, D).
        around: ``balls(vectors, k)``.
    """
    n, m = len(vectors), len(points)
    middle = centre(vectors)
    counts = np.zeros(m, dtype=np.int64)
    holds, would_hold, last, lost_without = (np.zeros(n, dtype=np.int64) for _ in range(4))
    for columns, y in blocks(points, middle):
        here, owner = (np.zeros(len(y), dtype=np.int64) for _ in range(2))
        ball, point = [], []
        for rows, x in blocks(vectors, middle):
            distances = squared(x, y)
            inside = distances <= around.radii[rows, None] * (1 + SLACK)
            wider = distances <= around.wider[rows, None] * (1 + SLACK)
            here += inside.sum(axis=0)
            owner += np.arange(rows.start, rows.stop) @ inside
            holds[rows] += inside.sum(axis=1)
            would_hold[rows] += wider.sum(axis=1)
            last[rows] = np.where(inside.any(axis=1), columns.start + inside.argmax(axis=1), last[rows])
            more = np.nonzero(wider & ~inside)
            ball.append(more[0] + rows.start)
            point.append(more[1])
        counts[columns] = here
        lost_without += _lost(here, owner, np.concatenate(ball), np.concatenate(point), around.near)
    holding = holds > 0
    alone = np.bincount(last[holds == 1], minlength=m)
    return Membership(
        around=counts,
        holds=holds,
        held_without=((counts > 0).sum() - lost_without) / m,
        around_without=(counts.sum() - holds + _to_near(would_hold - holds, around.near)) / m,
        holding_without=(holding.sum() - holding + _to_near((would_hold > 0) & ~holding, around.near))
        / (n - 1),
        holding_without_point=(holding.sum() - alone) / n,
    )


def _to_near(amounts: NDArray[Any], near: Indices) -> Doubles:
    """The amounts of balls, summed for each vector over the balls that have it among their nearest, (n,)."""
    n, k = near.shape
    return np.bincount(near.ravel(), weights=np.repeat(amounts, k), minlength=n).astype(np.float64)


def _lost(counts: Indices, owner: Indices, ball: Indices, point: Indices, near: Indices) -> Indices:
    """How many fewer of some points are in any ball without each of the n vectors, (n,).

    Args:
        counts: number of balls that hold each point.
        owner: for a point in one ball, the index of that ball.
        ball: ball indices of the pairs of a ball and a point that it holds only once it has grown.
        point: point indices of those pairs.
        near: (n, k), the vectors whose removal makes a ball grow.
    """
    n, k = near.shape
    few = counts[point] < 2  # a point in two balls is not lost with one of them
    gone, gained = near[ball[few]].ravel(), np.repeat(point[few], k)
    rescued = np.unique(gone * len(counts) + gained)  # pairs of the vector left out and the point
    single = np.flatnonzero(counts == 1)
    lost = single[~np.isin(owner[single] * len(counts) + single, rescued)]
    found = rescued[counts[rescued % len(counts)] == 0] // len(counts)
    change: Indices = np.bincount(owner[lost], minlength=n) - np.bincount(found, minlength=n)
    return change
