"""How far apart two computations of the same quantity in single precision may be, on any processor.

Instruction sets, numbers of threads and batch sizes add up the same products in different orders. What follows from
that is computed here from the sizes of what is added, not from what one machine has shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

UNIT = 2.0**-24
"""The relative error of one rounding to single precision."""
SAFETY = 8
"""Errors are random: so many times their standard deviation is not seen."""


def rounded(terms: int, layers: int = 1) -> float:
    """The largest difference of two evaluations, as a share of the largest value.

    The error of a sum grows with the square root of its terms, whatever their order (Higham and Mary, "A new approach
    to probabilistic rounding error analysis", 2019), and errors of layers that follow one another add up in squares.

    Args:
        terms: products in one sum; of a convolution, input channels times the area of the kernel.
        layers: that follow one another.
    """
    return SAFETY * UNIT * math.sqrt(terms * layers)


def assert_same(
    found: npt.ArrayLike | Tensor, expected: npt.ArrayLike | Tensor, *, terms: int, layers: int = 1
) -> None:
    """Both are one quantity in single precision; see ``rounded``."""
    a, b = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    np.testing.assert_allclose(a, b, rtol=0, atol=rounded(terms, layers) * np.abs(b).max())


def assert_same_training(one: Mapping[str, Tensor], other: Mapping[str, Tensor], *, lr: float) -> None:
    """Two trainings by AdamW differ by rounding alone.

    AdamW moves a weight by about ``lr``, however small its gradient is; only its sign and its changes matter. So the
    few weights whose gradient is no larger than its own rounding error (some 1e-5 of the usual gradient) may go
    either way. Elsewhere the steps differ by rounding error over gradient: they are within a hundredth of ``lr``
    where the gradient is more than a thousandth of the usual one, and of values around zero at most one in a hundred
    is smaller than that. Another gradient, of other images or of a part of the batch, moves almost every weight.
    """
    assert one.keys() == other.keys()
    far = sum(int(((one[name] - other[name]).abs() > lr / 100).sum()) for name in one)
    assert far <= 0.01 * sum(tensor.numel() for tensor in one.values())
