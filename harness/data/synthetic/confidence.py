"""How sure a classifier is that an image shows the class it is meant to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from harness.artifact import Predictions
from harness.data.synthetic.copying import Labelled
from harness.errors import StageError, nearest

FILE = "predictions.parquet"


def confidences(predictions: Predictions, images: Sequence[Labelled]) -> dict[str, float]:
    """By image: the softmax probability of its own class, of all that the classifier knows; 0 to 1.

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
