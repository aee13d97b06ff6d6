"""Feature vectors that were extracted elsewhere: a NumPy array with names, or a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.artifact import Features
from harness.errors import StageError
from harness.formats.features import Writer
from harness.formats.tables import Row, rows, text_of
from harness.sources.by_seed import idle_without_pattern
from harness.sources.content import files_of, passed_over
from harness.sources.hub import Source
from harness.stage import Job, Reading, Seed, stage
from harness.stages.data._own_table import name_of, unique

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES = (".txt", ".csv", ".jsonl", ".ndjson")
"""Endings of files with the names of the vectors of an array."""
AT_ONCE = 4096
"""How many vectors are converted at a time."""


@stage(version=1, software=("numpy", "pyarrow"), idle=idle_without_pattern)
def read(
    *,
    source: Source,
    extractor: Reading[str],
    item: Reading[str] = "item",
    label: Reading[str | None] = None,
    features: Reading[str] = "features",
    seed: Seed = 0,
    job: Job,
) -> Features:
    """Read feature vectors of images: a folder with an array and names, or one parquet file.

    A folder has one ``.npy`` file, N × D numbers, and one file with N names in the same order: ``.txt`` with a name in
    each line, or ``.csv`` or ``.jsonl`` with the column ``item``, such as the ``metadata.jsonl`` of an image folder
    (``item: file_name``). A parquet file has the columns ``item`` and ``features``, a list. Vectors are stored in
    float32.

    Args:
        source: the folder, or the parquet file. ``path:../out/seed-{seed}`` is one for each repeat.
        extractor: what made the vectors, in your words (network, weights, preparation of the pictures). Vectors of
            different extractors are not compared.
        item: the column with the image's name; unique. A text file has no columns.
        label: the column with the image's class; null if there is none.
        features: the column with the vector, in parquet.
        seed: the repeat: chooses the file. It draws nothing.
        job: gives the folder.

    Raises:
        StageError: files that are not as described; another number of names than vectors; a name that is missing or
            occurs twice; a vector of another length, or with a value that is not finite. Names file and row.
    """
    if not extractor.strip():
        raise StageError("extractor: expected what made the vectors")
    if source.path.is_file():
        table = list(_rows(source.path, (".parquet",)))
        values = _stacked(table, features)
    else:
        array, names = _files(source.path)
        values = _array(array)
        table = _named(names, item, label)
        if len(table) != len(values):
            raise StageError(f"{names}: {len(table)} names for {len(values)} vectors in {array.name}")
    items = unique(table, item)
    labels = [None if label is None else name_of(row, label, "class") for row in table]
    dim = int(values.shape[1])
    with Writer(job.folder(), dim=dim, extractor=extractor) as out:
        for start in range(0, len(values), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            out.add(items[part], labels[part], _single(values[part], table[part]))
    return out.features({"network": extractor, **passed_over(source.path)})


def _rows(file: Path, endings: Sequence[str]) -> list[Row]:
    if file.suffix.lower() not in endings:
        raise StageError(f"{file}: expected a folder with .npy and names, or a file that ends in .parquet")
    found = list(rows(file))
    if not found:
        raise StageError(f"{file}: no rows")
    return found


def _files(folder: Path) -> tuple[Path, Path]:
    """The array in a folder, and the file with its names."""
    inside = list(files_of(folder).values())
    arrays = [file for file in inside if file.suffix.lower() == ".npy"]
    names = [file for file in inside if file.suffix.lower() in NAMES]
    for what, found in (("a .npy file", arrays), (f"a file with names ({', '.join(NAMES)})", names)):
        if len(found) != 1:
            held = ", ".join(file.name for file in found[:3]) or "none"
            raise StageError(f"{folder}: expected {what}, and one only, not {held}")
    return arrays[0], names[0]


def _array(file: Path) -> NDArray[Any]:
    import numpy as np

    try:
        values = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as e:
        raise StageError(f"{file}: cannot be read as a NumPy array ({str(e).splitlines()[0]})") from None
    if not isinstance(values, np.ndarray):
        raise StageError(f"{file}: several arrays; expected one")
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise StageError(f"{file}: {values.dtype} of shape {values.shape}; expected numbers, N × D")
    if 0 in values.shape:
        raise StageError(f"{file}: shape {values.shape}; there is no vector")
    return values


def _named(file: Path, item: str, label: str | None) -> list[Row]:
    if file.suffix.lower() != ".txt":
        return list(rows(file))
    if (item, label) != ("item", None):
        raise StageError(f"{file}: a text file has no columns; remove item and label")
    lines = enumerate(text_of(file).split("\n"), start=1)
    return [Row(f"{file}:{number}", {item: line}) for number, line in lines if line.strip()]


def _stacked(table: Sequence[Row], column: str) -> NDArray[np.float64]:
    """The vectors in a column of lists, (N, D)."""
    import numpy as np

    for row in table:
        value = row[column]
        if not isinstance(value, list) or not value or not all(type(v) in (int, float) for v in value):
            raise StageError(f"{row.where}: {column} is {value!r:.40}, expected a list of numbers")
        if len(value) != len(table[0][column]):
            told = f"{len(value)} features, the first row has {len(table[0][column])}"
            raise StageError(f"{row.where}: {told}")
    return np.array([row[column] for row in table], dtype=np.float64)


def _single(block: NDArray[Any], table: Sequence[Row]) -> NDArray[np.float32]:
    import numpy as np

    with np.errstate(over="ignore"):
        found = block.astype(np.float32)
    broken = ~np.isfinite(found).all(axis=1)
    if broken.any():
        raise StageError(f"{table[int(broken.argmax())].where}: features that are not finite numbers")
    return found
