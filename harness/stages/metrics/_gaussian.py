"""Gaussians fitted to feature vectors, and the Fréchet distance between two of them, in float64.

Covariances are never formed. The covariance of N vectors is kept as a factor F with FᵀF = Σ and at most min(N, D)
rows. The trace term follows from two factors: Tr √(Σ₁Σ₂) is the nuclear norm of F₁F₂ᵀ, an N × M matrix if there are
fewer vectors than dimensions. So no condition number is squared, and no root of a D × D matrix is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]

STEP = 2048
"""Least number of vectors in memory at once; with more dimensions than that, it is the number of dimensions."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A normal distribution in D dimensions."""

    mean: Doubles
    """(D,)"""
    factor: Doubles
    """(r, D) with r ≤ D; ``factor.T @ factor`` is the covariance."""

    @property
    def trace(self) -> float:
        """Trace of the covariance."""
        return float(np.vdot(self.factor, self.factor))

    def project(self, axes: Doubles) -> Gaussian:
        """The Gaussian projected on orthonormal ``axes`` (D, k)."""
        return Gaussian(self.mean @ axes, np.asarray(np.linalg.qr(self.factor @ axes, mode="r")))


@dataclass(frozen=True)
class Distance:
    """‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2√(Σ₁Σ₂)), split into its two terms (Dowson and Landau, 1982)."""

    means: float
    covariances: float

    @property
    def value(self) -> float:
        return self.means + self.covariances


def fit(values: NDArray[Any], rows: Rows | None = None) -> Gaussian:
    """The mean and the unbiased covariance (N − 1) of vectors.

    Reads ``values`` twice, some thousand vectors at a time, so memory does not grow with their number.

    Args:
        values: (N, D) of any float type, for instance a memory map.
        rows: the rows to use, at least two; by default all.
    """
    rows = np.arange(len(values)) if rows is None else rows
    count, dim = len(rows), values.shape[1]
    assert count >= 2
    step = max(STEP, dim)
    parts = [rows[start : start + step] for start in range(0, count, step)]
    origin = values[rows[0]].astype(np.float64)  # so that equal vectors have a covariance of exactly 0
    mean = sum((values[part] - origin).sum(axis=0) for part in parts) / count
    factor = np.empty((0, dim))
    for part in parts:
        factor = np.concatenate([factor, values[part] - origin - mean])
        if len(factor) > dim:  # the triangle of a QR decomposition has the same FᵀF in D rows
            factor = np.asarray(np.linalg.qr(factor, mode="r"))
    return Gaussian(origin + mean, factor / np.sqrt(count - 1))


def frechet(a: Gaussian, b: Gaussian) -> Distance:
    """The Fréchet distance of two Gaussians (2-Wasserstein, squared).

    It cannot be negative. For equal Gaussians the covariance term is a difference of equal numbers, accurate to
    about 1e-14 of the covariances' traces; a negative result of rounding is set to 0.
    """
    roots = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False)
    difference = a.mean - b.mean
    return Distance(float(difference @ difference), max(0.0, a.trace + b.trace - 2 * float(roots.sum())))


def principal_axes(gaussian: Gaussian, most: int) -> Doubles:
    """The first principal axes, (D, k): at most ``most``, and no more than the covariance's rank."""
    factor = gaussian.factor
    variances, left = np.linalg.eigh(factor @ factor.T)
    variances, left = variances[::-1], left[:, ::-1]
    kept = variances[:most] > len(factor) * np.finfo(np.float64).eps * variances[0]
    first = left[:, : len(kept)][:, kept]
    axes, _ = np.linalg.qr(factor.T @ first)
    return np.asarray(axes)


def leave_one_out(
    a: Gaussian, b: Gaussian, of_a: NDArray[Any], of_b: NDArray[Any], axes: Doubles | None = None
) -> tuple[Doubles, Doubles]:
    """The distances when one side is fitted without one of its vectors, for each of them: (N,) and (M,).

    Without vector y of M and with d = y − μ, the covariance is (M−1)/(M−2) · (Σ − M/(M−1)² ddᵀ). This is a rank-one
    change, for which ``_lost`` gives the trace term. So all of them together cost little more than the distance itself.

    Args:
        a: ``fit(of_a)``, projected on ``axes`` if these are given.
        b: ``fit(of_b)``, likewise.
        of_a: (N, D), at least three.
        of_b: (M, D), at least three.
        axes: orthonormal axes (D, k) to project the vectors on; by default they are not projected.
    """
    left, roots, right = np.linalg.svd(a.factor @ b.factor.T, full_matrices=False)
    return (
        _without_each(b, a, right @ b.factor, roots, of_a, axes),
        _without_each(a, b, left.T @ a.factor, roots, of_b, axes),
    )


def _without_each(
    fixed: Gaussian,
    fitted: Gaussian,
    onto: Doubles,
    roots: Doubles,
    values: NDArray[Any],
    axes: Doubles | None,
) -> Doubles:
    """Distances from ``fixed`` to ``fitted`` without each of its vectors.

    Args:
        onto: maps a vector to its products with the eigenvectors of F Σ Fᵀ, where F is the fixed side's factor.
        roots: singular values of the product of the two factors.
    """
    count = len(values)
    assert count >= 3
    shift, trace, total = fitted.mean - fixed.mean, fitted.trace, float(roots.sum())
    found = np.empty(count)
    for start in range(0, count, STEP):
        part = values[start : start + STEP]
        d = (part if axes is None else part @ axes) - fitted.mean
        size = np.einsum("ij,ij->i", d, d)
        means = shift @ shift - 2 * (d @ shift) / (count - 1) + size / (count - 1) ** 2
        left = ((count - 1) * trace - count / (count - 1) * size) / (count - 2)
        lost = _lost(roots**2, count / (count - 1) ** 2 * (d @ onto.T) ** 2)
        both = np.sqrt((count - 1) / (count - 2)) * (total - lost)
        found[start : start + STEP] = means + fixed.trace + left - 2 * both
    return found


def _lost(variances: Doubles, weights: Doubles) -> Doubles:
    """Tr √A − Tr √(A − vvᵀ) for many v, where neither matrix has a negative eigenvalue.

    With g(t) = vᵀ(A + t)⁻¹v it is 1/2π ∫ t^(−1/2) · −log(1 − g(t)) dt over t > 0. This follows from √x = 1/2π ∫
    t^(−1/2) log(1 + x/t) dt under the trace and det(A − vvᵀ + t) = det(A + t)(1 − g(t)). With t = e^(2u) the integrand
    decays exponentially on both sides and is analytic for |Im u| < π/2, so the trapezoidal rule with a step of 0.4
    has an error of about e^(−π²/0.4) = 2e-11.

    Args:
        variances: eigenvalues of A, (k,).
        weights: squared coordinates of the v in A's eigenvectors, (M, k).
    """
    largest = float(variances.max(initial=0.0))
    if largest == 0:
        return np.zeros(len(weights))
    step = 0.4
    nodes = np.sqrt(largest) * np.exp(np.arange(-30, 20, step))
    g = weights @ (1 / (variances[:, None] + nodes**2))
    # If a vector alone spans a direction, g(0) = 1, and rounding may raise it to 1 or above near t = 0.
    integrand = -np.log1p(-np.minimum(g, 1 - np.finfo(np.float64).eps)) * nodes
    return np.asarray(step / np.pi * integrand.sum(axis=1))
