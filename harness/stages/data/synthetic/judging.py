"""Which images look the same: fingerprints of their structure, and how many bits two of them differ in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling

from harness.data.pixels import Decoder

_SIDE = 8

Prints = NDArray[np.uint64]
"""(N, 2): the 128 bits of each of N images."""


class Twin(NamedTuple):
    """An image that looks like one before it."""

    image: int
    """Its index."""
    like: int
    """Index of the image that it looks like, which is no twin itself."""
    distance: int
    """Bits that differ."""


def fingerprint(image: Path) -> Prints:
    """The difference hash of an image, uint64 of shape (2,).

    In grey, at 9×8 and at 8×9 pixels: is each pixel brighter than the one left of it (64 bits), than the one
    above it (64)? After N. Krawetz, "Kind of Like That" (2013), in both directions. Brightness, contrast and colour
    do not count, nor does an image's size; a shift, a flip or another crop does.

    Raises:
        StageError: not a readable image.
    """
    grey = Decoder().decode(image, image).convert("L")
    wide = np.asarray(grey.resize((_SIDE + 1, _SIDE), Resampling.LANCZOS))
    high = np.asarray(grey.resize((_SIDE, _SIDE + 1), Resampling.LANCZOS))
    brighter = np.stack([(wide[:, 1:] > wide[:, :-1]).ravel(), (high[1:] > high[:-1]).ravel()])
    prints: Prints = np.packbits(brighter).view(np.uint64)
    return prints


def distances(one: Prints, others: Prints) -> NDArray[np.int64]:
    """Bits in which one fingerprint (2,) differs from each of (N, 2); shape (N,), 0 to 128."""
    differing: NDArray[np.int64] = np.bitwise_count(others ^ one).sum(axis=-1, dtype=np.int64)
    return differing


def twins(prints: Sequence[Prints], distance: int) -> list[Twin]:
    """The images that look like one before them: at most ``distance`` bits from one that is no twin itself.

    Of images that are all alike the first stays. Of several that one is near to, it is a twin of the nearest, of
    equally near ones of the first.
    """
    apart = np.empty((len(prints), 2), dtype=np.uint64)
    indices: list[int] = []
    found = []
    for index, own in enumerate(prints):
        others = distances(own, apart[: len(indices)])
        nearest = int(others.argmin()) if len(others) else 0
        if len(others) and others[nearest] <= distance:
            found.append(Twin(index, indices[nearest], int(others[nearest])))
        else:
            apart[len(indices)] = own
            indices.append(index)
    return found
