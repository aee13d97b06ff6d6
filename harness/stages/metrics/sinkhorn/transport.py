"""Entropic optimal transport between equally weighted points, in the log domain and float64.

OT_ε(x, y) = min over couplings π of ⟨π, C⟩ + ε KL(π | a ⊗ b), where a and b are uniform (Feydy et al. 2019,
"Interpolating between Optimal Transport and MMD using Sinkhorn Divergences"). It is computed from its dual, whose
potentials f and g have ⟨a, f⟩ + ⟨b, g⟩ = OT_ε at the optimum. Only differences from a maximum are exponentiated, so
any ε can be computed with; a very small one only converges slowly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import StageError
from harness.stages.metrics.neighbours.distances import Doubles, Matrix, centre, slices, squared

TOLERANCE = 1e-7
"""Largest mean of |log(mass that leaves a point / mass that should)|. The error of the value is of second order, so the
value is accurate to some ten digits; to seven or more if ε is so small that convergence is slow.
"""

MEMORY = 8
"""Number of earlier steps used for extrapolation."""

HELD_BYTES = 2**27
"""Cost matrices up to this size are kept in memory; larger ones are recomputed tile by tile when needed."""


class Cost:
    """Squared Euclidean distances of N points x and M points y, divided by ``scale``."""

    def __init__(self, x: Matrix, y: Matrix, scale: float, held_bytes: int = HELD_BYTES) -> None:
        self.x, self.y, self.scale = x, y, scale
        self._middle = centre(x)
        self._holds = 8 * len(x) * len(y) <= held_bytes
        self._held: dict[tuple[int, int], Doubles] = {}

    def to_y(self, potential: Doubles, epsilon: float) -> Doubles:
        """−ε log mean_j exp((potential_j − C_ij) / ε) for each of the N points x, from a potential (M,)."""
        return self._softmin(potential, epsilon, transposed=False)

    def to_x(self, potential: Doubles, epsilon: float) -> Doubles:
        """−ε log mean_i exp((potential_i − C_ij) / ε) for each of the M points y, from a potential (N,)."""
        return self._softmin(potential, epsilon, transposed=True)

    def _softmin(self, potential: Doubles, epsilon: float, *, transposed: bool) -> Doubles:
        count = len(self.y if transposed else self.x)
        found = np.empty(count)
        for rows in slices(count):
            top, total = np.full(rows.stop - rows.start, -np.inf), 0.0
            for columns in slices(len(potential)):
                cost = self._tile(columns, rows).T if transposed else self._tile(rows, columns)
                exponents = (potential[columns] - cost) / epsilon
                higher = np.maximum(top, exponents.max(axis=1))
                exponents -= higher[:, None]
                total = total * np.exp(top - higher) + np.exp(exponents, out=exponents).sum(axis=1)
                top = higher
            found[rows] = -epsilon * (top + np.log(total / len(potential)))
        return found

    def _tile(self, rows: slice, columns: slice) -> Doubles:
        at = rows.start, columns.start
        if at in self._held:
            return self._held[at]
        x, y = (v[s].astype(np.float64) - self._middle for v, s in ((self.x, rows), (self.y, columns)))
        tile = squared(x, y) / self.scale
        if self._holds:
            self._held[at] = tile
        return tile


@dataclass(frozen=True)
class Transport:
    """A solved problem."""

    value: float
    """OT_ε, in the unit of the cost."""
    potential: Doubles
    """f, (N,)."""
    other: Doubles
    """g, (M,)."""
    iterations: int


def to_itself(cost: Cost, epsilon: float, iterations: int) -> Transport:
    """OT_ε(x, x), by an averaged fixed-point iteration, which its symmetry allows: a dozen or two steps.

    Raises:
        StageError: not converged after ``iterations``.
    """
    f = np.zeros(len(cost.x))
    for step in range(1, iterations + 1):
        g = cost.to_y(f, epsilon)
        error = float(np.abs(f - g).mean()) / epsilon
        if error <= TOLERANCE:
            return Transport(float(f.mean() + g.mean()), f, g, step)
        f = (f + g) / 2
    raise _not_converged(error, iterations)


def to_other(cost: Cost, start: Doubles, epsilon: float, iterations: int) -> Transport:
    """OT_ε(x, y), by Sinkhorn's alternating steps with Anderson's extrapolation.

    The dual value never falls at a Sinkhorn step; an extrapolation after which it falls is undone.

    Args:
        cost: cost of N points x and M points y.
        start: initial potential of x, (N,). If y is x, the potential of x to itself is already the solution.
        epsilon: in the unit of the cost.
        iterations: most iterations.

    Raises:
        StageError: not converged after ``iterations``.
    """
    f, value, history = start, -np.inf, list[tuple[Doubles, Doubles]]()
    for step in range(1, iterations + 1):
        g = cost.to_x(f, epsilon)
        before, value = value, float(f.mean() + g.mean())
        if len(history) > 1 and value < before:
            f, value, history = history[-1][1], before, []
            continue
        better = cost.to_y(g, epsilon)
        error = float(np.abs(f - better).mean()) / epsilon
        if error <= TOLERANCE:
            return Transport(value, f, g, step)
        history = [*history[-MEMORY:], (better - f, better)]
        f = _extrapolated(history)
    raise _not_converged(error, iterations)


def _extrapolated(history: Sequence[tuple[Doubles, Doubles]]) -> Doubles:
    """The limit of the steps so far if they were linear: Anderson (1965), in the form of Walker and Ni (2011).

    Args:
        history: (change by a step, potential after it), the newest last.
    """
    changes, potentials = (np.stack(column, axis=1) for column in zip(*history, strict=True))
    weights, *_ = np.linalg.lstsq(np.diff(changes), changes[:, -1], rcond=1e-8)
    newest: Doubles = potentials[:, -1] - np.diff(potentials) @ weights
    return newest


def _not_converged(error: float, iterations: int) -> StageError:
    return StageError(
        f"transport has not converged after {iterations} iterations (marginals off by {error:.1g}, "
        f"{TOLERANCE:g} wanted); raise epsilon, or iterations"
    )


@dataclass(frozen=True)
class Divergence:
    """S_ε(x, y) = OT_ε(x, y) − ½ OT_ε(x, x) − ½ OT_ε(y, y), and its three terms."""

    between: Transport
    within: tuple[Transport, Transport]

    @property
    def value(self) -> float:
        """At least 0, as in theory; rounding alone could give less."""
        return max(0.0, self.between.value - sum(t.value for t in self.within) / 2)

    @property
    def influences(self) -> tuple[Doubles, Doubles]:
        """How far each point of x and of y moves the value, (N,) and (M,): n times its derivative by the weight.

        By the envelope theorem the derivative of OT_ε is the potential. For OT_ε of a set to itself both sides move,
        each by half.
        """
        moved = (
            self.between.potential - self.within[0].potential,
            self.between.other - self.within[1].potential,
        )
        return moved[0] - moved[0].mean(), moved[1] - moved[1].mean()


def debiased(
    x: Matrix, y: Matrix, *, scale: float, epsilon: float, iterations: int, held_bytes: int = HELD_BYTES
) -> Divergence:
    """The debiased divergence of points x (N, D) and y (M, D), with squared distances over ``scale`` as cost."""
    one, other = (to_itself(Cost(v, v, scale, held_bytes), epsilon, iterations) for v in (x, y))
    return Divergence(
        to_other(Cost(x, y, scale, held_bytes), one.potential, epsilon, iterations), (one, other)
    )
