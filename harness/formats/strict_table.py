"""The harness's parquet files: equal rows give equal bytes on any processor, and only the expected columns are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StageError

if TYPE_CHECKING:
    import pyarrow as pa

PLAIN: Any = {"compression": "none", "use_dictionary": False, "write_statistics": False}
"""Options for tables that later stages read. Artifacts are compared by their bytes, and a compressor's output may
depend on its version and on the processor, as Snappy's does."""


def schema(types: dict[str, pa.DataType]) -> pa.Schema:
    """A schema with the columns in this order, none of them nullable."""
    import pyarrow as pa

    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])


def read_table(file: Path, expected: pa.Schema, what: str) -> pa.Table:
    """Read a whole file.

    Args:
        file: parquet file.
        expected: its columns.
        what: what it holds, for messages.

    Raises:
        StageError: the file is missing or damaged, or has other columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as e:
        raise StageError(f"{file}: cannot be read as {what} ({str(e).splitlines()[0]})") from None
    if not table.schema.equals(expected):
        found = ", ".join(f"{field.name} {field.type}" for field in table.schema)
        *names, last = expected.names
        raise StageError(f"{file}: columns {found}; expected {', '.join(names)} and {last}")
    return table


def write_rows(file: Path, columns: pa.Schema, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows, in their order; a row has its values in the order of the columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = {name: [row[index] for row in rows] for index, name in enumerate(columns.names)}
    pq.write_table(pa.table(values, schema=columns), file, **PLAIN)


def read_rows(file: Path, expected: pa.Schema, what: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a file, as ``write_rows`` took them; arguments and errors as of ``read_table``."""
    table = read_table(file, expected, what)
    return zip(*(column.to_pylist() for column in table.columns), strict=True)
