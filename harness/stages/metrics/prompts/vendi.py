"""The Vendi score: the effective number of different items in a set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def vendi(vectors: NDArray[np.float32]) -> float:
    """Exp of the Shannon entropy of the eigenvalues of K / N, for the cosines K (Friedman and Dieng 2022).

    Args:
        vectors: float32 (N, D), rows of norm 1; a row of zeros is an item unlike any other.

    Returns:
        In [1, N]: 1 if all rows are equal, N if all rows are orthogonal.
    """
    rows = vectors.astype(np.float64)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, 1)
    shares = np.linalg.eigvalsh(cosines / len(rows))
    shares = shares[shares > 1e-12]  # the rest is rounding error, and 0 log 0 is 0
    return float(np.exp(-(shares * np.log(shares)).sum()))
