"""``likelihoods.parquet``: how likely each text of a corpus is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.formats.strict_table import read_rows, schema, write_rows

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "likelihoods.parquet"


class Likelihood(NamedTuple):
    """The likelihood of one text."""

    item: str
    """Unique name: a document, or ``document:row``."""
    document: str
    tokens: int
    """Number of predicted tokens, at least 1."""
    bytes: int
    """Number of UTF-8 bytes of the predicted text."""
    nll: float
    """Negative log-likelihood, summed over the tokens, in nats."""


def write(folder: Path, rows: Sequence[Likelihood]) -> None:
    """Write ``rows`` into ``folder``, in their order."""
    write_rows(folder / TABLE, _schema(), rows)


def read(folder: Path) -> list[Likelihood]:
    """The rows in ``folder``, in file order.

    Raises:
        StageError: the table is missing or damaged, or has other columns.
    """
    return [Likelihood(*values) for values in read_rows(folder / TABLE, _schema(), "likelihoods")]


def _schema() -> pa.Schema:
    import pyarrow as pa

    types = {
        "item": pa.string(),
        "document": pa.string(),
        "tokens": pa.int64(),
        "bytes": pa.int64(),
        "nll": pa.float64(),
    }
    return schema(types)
