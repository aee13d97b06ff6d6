"""``predictions.parquet``: the label and the prediction of each item, with logits if there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StageError
from harness.formats.strict_table import PLAIN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TABLE = "predictions.parquet"
PREDICTION = "prediction"
CLUSTER = "cluster"


@dataclass(frozen=True, eq=False)
class Rows:
    """N items of C classes."""

    item: Sequence[str]
    label: NDArray[np.int64]
    """(N,), an index into the classes."""
    logits: NDArray[np.float32] | None = None
    """(N, C); None if only the predicted classes are known."""
    prediction: NDArray[np.int64] | None = None
    """(N,); None if it is that of the largest logit."""
    cluster: Sequence[str] | None = None


def write(folder: Path, rows: Rows) -> None:
    """Write ``rows`` into ``folder``, in their order. Without logits, the column of that name has empty lists."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = len(rows.item)
    logits = [[]] * count if rows.logits is None else list(rows.logits)
    columns: dict[str, Any] = {
        "item": pa.array(rows.item, pa.string()),
        "label": pa.array(rows.label, pa.int64()),
        "logits": pa.array(logits, pa.list_(pa.float32())),
    }
    if rows.prediction is not None:
        columns[PREDICTION] = pa.array(rows.prediction, pa.int64())
    if rows.cluster is not None:
        columns[CLUSTER] = pa.array(rows.cluster, pa.string())
    pq.write_table(pa.table(columns), folder / TABLE, **PLAIN)


@dataclass(frozen=True, eq=False)
class Beside:
    """What the table may have beside labels and logits."""

    prediction: list[int] | None
    """The predicted class of each item, where there are no logits."""
    cluster: list[str] | None


def read_beside(folder: Path) -> Beside:
    """The optional columns in ``folder``.

    Raises:
        StageError: the table is missing or damaged.
    """
    held = _columns(folder, (PREDICTION, CLUSTER))
    return Beside(held.get(PREDICTION), held.get(CLUSTER))


def read_labels(folder: Path) -> tuple[list[str], list[int]]:
    """The items in ``folder`` and their labels.

    Raises:
        StageError: the table is missing or damaged.
    """
    held = _columns(folder, ("item", "label"))
    return held["item"], held["label"]


def _columns(folder: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    """Those of the columns that the table has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        held = set(pq.read_schema(folder / TABLE).names)
        table = pq.read_table(folder / TABLE, columns=[name for name in names if name in held])
    except (pa.ArrowException, OSError) as e:
        raise StageError(f"{folder / TABLE}: cannot be read ({str(e).splitlines()[0]})") from None
    return {name: table[name].to_pylist() for name in table.column_names}
