"""``corpus.parquet``: the one table format for texts, from reading to scoring."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.artifact import Json
from harness.formats.strict_table import read_rows, schema, write_rows

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "corpus.parquet"


class Row(NamedTuple):
    """One page or text as it was read, or one chunk of it."""

    text: str
    document: str
    """The document that the text is from; rows of one document are not independent of one another."""
    page: int
    """The page on which it begins, from 1; 0 if the source has no pages."""
    row: int
    """Index within the document, from 0."""


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Write ``rows`` into ``folder``, in their order."""
    write_rows(folder / TABLE, _schema(), rows)


def read(folder: Path) -> list[Row]:
    """The rows in ``folder``, in file order.

    Raises:
        StageError: the table is missing or damaged, or has other columns.
    """
    return [Row(*values) for values in read_rows(folder / TABLE, _schema(), "a corpus")]


def count(rows: Sequence[Row]) -> dict[str, Json]:
    """The amount of text, for an artifact's facts: ``documents``, ``rows``, ``characters``."""
    documents = {row.document for row in rows}
    return {
        "documents": len(documents),
        "rows": len(rows),
        "characters": sum(len(row.text) for row in rows),
    }


def digest(rows: Sequence[Row]) -> str:
    """Digest of the content of all rows, in their order: ``sha256:`` and 64 hex digits.

    It is the condition of a corpus whose text depends on the version of an installed package, or of its reader.
    """
    body = sha256(b"harness/corpus/1")
    for row in rows:
        body.update(json.dumps(row).encode())
    return f"sha256:{body.hexdigest()}"


def _schema() -> pa.Schema:
    import pyarrow as pa

    types = {"text": pa.string(), "document": pa.string(), "page": pa.int32(), "row": pa.int32()}
    return schema(types)
