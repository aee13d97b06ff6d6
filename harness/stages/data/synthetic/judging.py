"""Measures for filtering generated images: a classifier's confidence in their class, and likeness to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL.Image import Resampling

from harness.artifact import Predictions
from harness.errors import StageError, nearest
from harness.formats.pixels import Decoder
from harness.stages.data.synthetic.joining import Labelled

FILE = "predictions.parquet"


def confidences(predictions: Predictions, images: Sequence[Labelled]) -> dict[str, float]:
    """For each image, the softmax probability of its own class among all that the classifier knows; 0 to 1.

    Raises:
        StageError: predictions of other images, a class that the classifier does not know, logits that are not
            finite.
    """
    known: Any = predictions.facts["classes"]
    for row, label in images:
        if label not in known:
            raise StageError(
                f"predictions: the classifier knows {', '.join(known)}, but {row.name} is of class {label!r}"
                f"{nearest(label, known)}"
            )
    logits = _logits(predictions.path / FILE)
    _same_images(set(logits), {row.name for row, _ in images})
    return {row.name: _probability(logits[row.name], known.index(label), row.name) for row, label in images}


def _logits(file: Path) -> Mapping[str, Sequence[float]]:
    table = pq.read_table(file, columns=["item", "logits"])
    return dict(zip(table["item"].to_pylist(), table["logits"].to_pylist(), strict=True))


def _same_images(predicted: set[str], given: set[str]) -> None:
    for name in sorted(given - predicted):
        raise StageError(f"predictions: none of image {name}; predict the images that are filtered")
    for name in sorted(predicted - given):
        raise StageError(
            f"predictions: of an image {name} that is not there; predict the images that are filtered"
        )


def _probability(logits: Sequence[float], index: int, name: str) -> float:
    values = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(values).all():
        raise StageError(f"predictions: a logit of {name} is not finite")
    weights = np.exp(values - values.max())
    return float(weights[index] / weights.sum())


_SIDE = 8

Prints = NDArray[np.uint64]
"""The 128 bits of each of N images, shape (N, 2)."""


class Twin(NamedTuple):
    """An image that looks like an earlier one."""

    image: int
    """Index of the image."""
    like: int
    """Index of the image that it looks like, which is not a twin itself."""
    distance: int
    """Number of bits that differ."""


def fingerprint(image: Path) -> Prints:
    """The difference hash of an image, uint64 of shape (2,).

    The image is reduced to grey at 9×8 and at 8×9 pixels. 64 bits say whether each pixel is brighter than the one to
    its left, 64 whether it is brighter than the one above it. After N. Krawetz, "Kind of Like That" (2013), in both
    directions. Brightness, contrast, colour and image size have no effect; a shift, a flip or another crop has.

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
    """Number of bits in which one fingerprint (2,) differs from each of (N, 2); shape (N,), 0 to 128."""
    differing: NDArray[np.int64] = np.bitwise_count(others ^ one).sum(axis=-1, dtype=np.int64)
    return differing


def twins(prints: Sequence[Prints], distance: int) -> list[Twin]:
    """The images that look like an earlier one: at most ``distance`` bits from an image that is not a twin itself.

    In a group of like images the first is not a twin. If several earlier images are near enough, the twin belongs to
    the nearest, or to the first of equally near ones.
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
