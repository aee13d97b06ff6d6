"""Which points lie in which balls, and what becomes of that when one point or one ball's vector is left out.

A neighbour's radius does not change smoothly with the weight of a vector, so that no infinitesimal jackknife exists;
what is counted without each vector follows from two memberships: in the ball as it is, and in the one that reaches to
the next neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics.neighbours.distances import (
    SLACK,
    Balls,
    Doubles,
    Indices,
    Matrix,
    blocks,
    centre,
    squared,
)


@dataclass(frozen=True)
class Membership:
    """Of N balls around the vectors of one set and M points of another; boundaries belong to the balls."""

    around: Indices
    """(M,): how many balls hold each point."""
    holds: Indices
    """(N,): how many points each ball holds."""
    held_without: Doubles
    """(N,): share of the points that some ball holds, when each of the N vectors is left out."""
    around_without: Doubles
    """(N,): how many balls hold a point, on average, when each of the N vectors is left out."""
    holding_without: Doubles
    """(N,): share of the other balls that hold some point, when each of the N vectors is left out."""
    holding_without_point: Doubles
    """(M,): share of the balls that hold some point, when each of the M points is left out."""


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
    """What balls have, summed over the balls that each vector is among the nearest of, (n,)."""
    n, k = near.shape
    return np.bincount(near.ravel(), weights=np.repeat(amounts, k), minlength=n).astype(np.float64)


def _lost(counts: Indices, owner: Indices, ball: Indices, point: Indices, near: Indices) -> Indices:
    """How many fewer of some points a ball holds when each of the n vectors is left out, (n,).

    Args:
        counts: how many balls hold each point.
        owner: for a point in one ball, which that is.
        ball: with ``point`` the pairs of a ball and a point that it holds only once it has grown.
        point: see there.
        near: (n, k), the vectors whose loss makes a ball grow.
    """
    n, k = near.shape
    few = counts[point] < 2  # what two balls hold is not lost with one
    gone, gained = near[ball[few]].ravel(), np.repeat(point[few], k)
    rescued = np.unique(gone * len(counts) + gained)  # pairs of the vector left out and the point
    single = np.flatnonzero(counts == 1)
    lost = single[~np.isin(owner[single] * len(counts) + single, rescued)]
    found = rescued[counts[rescued % len(counts)] == 0] // len(counts)
    change: Indices = np.bincount(owner[lost], minlength=n) - np.bincount(found, minlength=n)
    return change
