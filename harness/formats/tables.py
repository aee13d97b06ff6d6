"""Tables that people have, row by row: CSV, JSON lines, parquet. Every row has its place for messages."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import StageError, nearest
from harness.formats.strict_json import objects

SUFFIXES = (".csv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True, slots=True)
class Row:
    """One row, not validated yet."""

    where: str
    """File and line; of parquet, file and row, counted from 0."""
    cells: dict[str, Any]
    """Column → value. Those of CSV are texts."""

    def __getitem__(self, column: str) -> Any:
        """The value of a column.

        Raises:
            StageError: the row has no such column.
        """
        if column not in self.cells:
            held = ", ".join(self.cells)
            raise StageError(f"{self.where}: no {column!r}, only {held}{nearest(column, self.cells)}")
        return self.cells[column]


def is_text(file: Path) -> bool:
    """Whether all values of a table are texts, so that a number cannot be told from a name."""
    return file.suffix.lower() == ".csv"


def rows(file: Path) -> Iterator[Row]:
    """The rows of a table, in the order of the file. Blank lines are skipped.

    Raises:
        StageError: the file does not have the format of its suffix; names the line.
    """
    match file.suffix.lower():
        case ".csv":
            yield from _csv(file)
        case ".parquet":
            yield from _parquet(file)
        case ".jsonl" | ".ndjson":
            yield from (Row(where, cells) for where, cells in objects(file))
        case _:
            raise StageError(f"{file}: no table; its name must end in {', '.join(SUFFIXES)}")


def text_of(file: Path) -> str:
    r"""The text of a file in UTF-8, with ``\n`` at the ends of lines.

    Raises:
        StageError: the file cannot be read, or is not UTF-8; names the line.
    """
    try:
        content = file.read_bytes()
    except OSError as e:
        raise StageError(f"{file}: cannot be read ({e.strerror or e})") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        raise StageError(f"{file}:{line}: not UTF-8 (byte 0x{content[e.start]:02x}); convert it") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def _csv(file: Path) -> Iterator[Row]:
    text = text_of(file)
    head = next((line for line in text.split("\n") if line.strip()), "")
    if "," not in head and (other := next((mark for mark in _MARKS if mark in head), None)):
        raise StageError(
            f"{file}:1: columns are separated by {_MARKS[other]}, expected commas; save it with commas"
        )
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] | None = None
    while True:
        where = f"{file}:{reader.line_num + 1}"
        try:
            cells = next(reader, None)
        except csv.Error as e:
            raise StageError(f"{where}: no CSV ({e})") from None
        if cells is None:
            return
        if len(cells) < 2 and not "".join(cells).strip():
            continue
        if names is None:
            names = cells
            if twice := [name for name in names if names.count(name) > 1]:
                raise StageError(f"{where}: two columns are called {twice[0]!r}")
        elif len(cells) != len(names):
            raise StageError(f"{where}: {len(cells)} cells, expected {len(names)}: {', '.join(names)}")
        else:
            yield Row(where, dict(zip(names, cells, strict=True)))


def _parquet(file: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        opened = pq.ParquetFile(file)
        names: list[str] = opened.schema_arrow.names
        if twice := [name for name in names if names.count(name) > 1]:
            raise StageError(f"{file}: two columns are called {twice[0]!r}")
        for batch in opened.iter_batches(4096):
            for cells in batch.to_pylist():
                yield Row(f"{file} row {number}", cells)
                number += 1
    except (pa.ArrowException, OSError, UnicodeDecodeError) as e:
        told = (str(e).splitlines() or [type(e).__name__])[0]
        raise StageError(f"{file}: cut short or damaged after row {number}, or no parquet ({told})") from None
