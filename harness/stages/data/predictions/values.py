"""The numbers of a table of predictions: logits and probabilities, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.artifact import Json
from harness.errors import StageError, UsageError
from harness.formats.strict_json import loads
from harness.formats.tables import Row
from harness.stages.data._own_table import number
from harness.stages.data.predictions.columns import Form

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PREDICTED = "prediction"
TOLERANCE = 1e-3
"""How far the sum of the probabilities of an item may be from 1."""
LEAST = 1e-12
"""Probabilities below are raised to this, since the logarithm of 0 is not finite."""


def listed(row: Row, column: str) -> Sequence[Any]:
    """The list in a cell; a text is a JSON list.

    Raises:
        StageError: the cell has no list.
    """
    value: Any = row[column]
    if isinstance(value, str):
        try:
            value = loads(value, row.where)
        except UsageError:
            value = None
    if not isinstance(value, list) or not value:
        raise StageError(f"{row.where}: {column} is {row[column]!r:.60}, expected a list like [0.2, 0.8]")
    return value


def matrix(rows: Sequence[Row], form: Form, classes: Sequence[str]) -> NDArray[np.float64]:
    """The values of all items, (N, C), finite.

    Raises:
        StageError: a value that is missing or no finite number, or a list of another length.
    """
    import numpy as np

    found = np.empty((len(rows), len(classes)))
    for i, row in enumerate(rows):
        if form.by_class:
            values = [(form.by_class[name], row[form.by_class[name]]) for name in classes]
        else:
            values = [(form.column, value) for value in listed(row, form.column)]
            if len(values) != len(classes):
                told = f"{form.column} has {len(values)} values for {len(classes)} classes"
                raise StageError(f"{row.where}: {told}")
        found[i] = [number(value, row.where, column) for column, value in values]
    return found


def log_probabilities(
    values: NDArray[np.float64], rows: Sequence[Row], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], dict[str, Json]]:
    """The logarithms of probabilities, and how many were clipped.

    Raises:
        StageError: a value outside [0, 1], or a sum that is not 1.
    """
    import numpy as np

    outside = ((values < 0) | (values > 1)).any(axis=1)
    if outside.any():
        at = int(outside.argmax())
        worst = next(v for v in values[at] if not 0 <= v <= 1)
        raise StageError(f"{rows[at].where}: a probability of {worst:g}; are these logits?")
    sums = values.sum(axis=1)
    off = np.abs(sums - 1) > TOLERANCE
    if off.any():
        at = int(off.argmax())
        told = f"probabilities that sum to {sums[at]:.6g}, expected 1 within {TOLERANCE:g}"
        raise StageError(f"{rows[at].where}: {told} ({int(off.sum())} of {len(rows)} items)")
    small = values < LEAST
    of_label = small[np.arange(len(labels)), labels]
    facts: dict[str, Json] = {
        "clipped": {"at": LEAST, "values": int(small.sum()), "of_the_label": int(of_label.sum())}
    }
    return np.log(np.maximum(values, LEAST)), facts


def rounded(values: NDArray[np.float64], rows: Sequence[Row]) -> tuple[NDArray[np.float32], dict[str, Json]]:
    """The values as they are stored, and how many items are predicted differently because of it.

    Raises:
        StageError: a value that is too large.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        stored = values.astype(np.float32)
    large = ~np.isfinite(stored).all(axis=1)
    if large.any():
        at = int(large.argmax())
        raise StageError(f"{rows[at].where}: {np.abs(values[at]).max():g} is too large for a logit")
    ties = int((stored.argmax(axis=1) != values.argmax(axis=1)).sum())
    return stored, {"ties_by_rounding": ties} if ties else {}
