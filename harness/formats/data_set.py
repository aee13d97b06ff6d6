"""A folder for ``datasets.load_dataset``: ``data/<split>-00000-of-00001.parquet`` and the card ``README.md``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StageError
from harness.formats.strict_table import PLAIN

if TYPE_CHECKING:
    import pyarrow as pa

CARD = "README.md"


def write(folder: Path, rows: pa.Table, card: str, split: str = "train") -> None:
    """Write a data set of one split in one file.

    Args:
        folder: must exist.
        rows: the columns; images as ``struct<bytes: binary, path: string>``, and the schema's metadata by which
            ``datasets`` recognises images and classes.
        card: the data set's card in Markdown.
        split: name of the split.
    """
    import pyarrow.parquet as pq

    (folder / "data").mkdir()
    pq.write_table(rows, folder / "data" / f"{split}-00000-of-00001.parquet", **PLAIN)
    (folder / CARD).write_text(card, encoding="utf-8")


def read(folder: Path) -> pa.Table:
    """All rows, in the order of the files.

    Raises:
        StageError: there is no file, or one is damaged or has other columns than the first.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted((folder / "data").glob("*.parquet"))
    if not files:
        raise StageError(f"{folder}: no data/*.parquet; expected a data set that a stage packed")
    try:
        return pa.concat_tables([pq.ParquetFile(file).read() for file in files])
    except (pa.ArrowException, OSError) as e:
        raise StageError(f"{folder}: not readable as a data set ({str(e).splitlines()[0]})") from None
