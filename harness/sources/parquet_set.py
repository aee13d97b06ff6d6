"""Data sets in the hub's parquet layout, row by row: ``<split>-00000-of-00003[-hash].parquet`` files."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import StageError, nearest
from harness.sources.content import files_of

_SHARD = re.compile(r"(?:.*/)?([\w.]+)-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?\.parquet")
_ROWS = 32


class Place(NamedTuple):
    """A row of a file, counted from 0."""

    file: Path
    row: int

    def __str__(self) -> str:
        return f"{self.file.name} row {self.row}"


@dataclass(frozen=True)
class ParquetSet:
    """The files of a data set, by split, in order."""

    splits: Mapping[str, Sequence[Path]]

    @classmethod
    def open(cls, place: Path) -> ParquetSet:
        """Find the files at ``place``: a folder, or one parquet file (whose split is ``train``).

        Raises:
            StageError: no files, a missing shard, two sets of shards, or a file that is not parquet.
        """
        if place.is_file():
            return cls({"train": (place,)})
        found: dict[str, dict[int, Path]] = {}
        totals: dict[str, int] = {}
        files = files_of(place)
        for name, path in files.items():
            if not name.endswith(".parquet"):
                continue
            shard = _SHARD.fullmatch(name)
            if shard is None:
                raise StageError(f"{path}: expected a name like train-00000-of-00001.parquet")
            split, number, total = shard[1], int(shard[2]), int(shard[3])
            if number in found.get(split, {}) or totals.setdefault(split, total) != total:
                raise StageError(f"{path}: a second set of {split!r} files; name the folder of one of them")
            found.setdefault(split, {})[number] = path
        for split, shards in found.items():
            missing = sorted(set(range(totals[split])) - shards.keys())
            if missing:
                raise StageError(f"{place}: {split} file {missing[0]:05d} of {totals[split]:05d} is missing")
        if not found:
            kinds = Counter(path.suffix.lower() or path.name for path in files.values()).most_common(3)
            held = ", ".join(f"{n} {kind}" for kind, n in kinds) or "nothing"
            images = any(kind in (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp") for kind, _ in kinds)
            other = "; folders.images reads folders of images" if images else ""
            raise StageError(f"{place}: no parquet files, only {held}{other}")
        return cls({split: [shards[n] for n in sorted(shards)] for split, shards in sorted(found.items())})

    @property
    def every_file(self) -> list[Path]:
        """The files of all splits, pooled."""
        return [file for shards in self.splits.values() for file in shards]

    def files(self, split: str) -> Sequence[Path]:
        """The files of one split.

        Raises:
            StageError: no such split.
        """
        if split not in self.splits:
            raise StageError(
                f"no split {split!r}, only {', '.join(self.splits)}{nearest(split, self.splits)}"
            )
        return self.splits[split]


def count(files: Sequence[Path]) -> int:
    """Rows in all of ``files``."""
    return sum(_open(file).metadata.num_rows for file in files)


def read(files: Sequence[Path], columns: Mapping[str, str]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The rows of ``files``, a few in memory at a time.

    Args:
        files: in order.
        columns: column name in the rows → column name in the files.

    Raises:
        StageError: a file is cut short or damaged, or a column is missing.
    """
    import pyarrow as pa

    for file in files:
        parquet = _open(file)
        names = parquet.schema_arrow.names
        for column in columns.values():
            if column not in names:
                raise StageError(
                    f"{file}: no column {column!r}, only {', '.join(names)}{nearest(column, names)}"
                )
        row = 0
        try:
            for batch in parquet.iter_batches(_ROWS, columns=list(dict.fromkeys(columns.values()))):
                for record in batch.to_pylist():
                    yield Place(file, row), {name: record[column] for name, column in columns.items()}
                    row += 1
        except (pa.ArrowException, OSError) as e:
            raise StageError(f"{file}: damaged after row {row} ({_first_line(e)})") from None


def class_names(file: Path, column: str) -> list[str] | None:
    """The class names of an integer class column, from the schema that ``datasets`` writes into the file."""
    metadata = _open(file).schema_arrow.metadata or {}
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        names = features[column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return names if isinstance(names, list) and all(isinstance(n, str) for n in names) else None


def image_bytes(value: Any, place: Place) -> bytes:
    """The encoded image of a row: ``{bytes, path}``, as ``datasets`` writes it, or plain bytes.

    Raises:
        StageError: another type, or an image that is only a path.
    """
    encoded = value.get("bytes") if isinstance(value, dict) else value
    if isinstance(value, dict) and encoded is None and value.get("path"):
        raise StageError(
            f"{place}: the image is only a path ({value['path']!r:.80}), its bytes are not in the file"
        )
    if not isinstance(encoded, bytes):
        raise StageError(f"{place}: the image has no bytes, but is {type(encoded).__name__}")
    return encoded


def sentences(value: Any, where: object) -> list[str]:
    """Captions: a list of sentences, or one sentence.

    Raises:
        StageError: another type, or no sentence.
    """
    captions = [value] if isinstance(value, str) else value
    if not isinstance(captions, list) or not captions or not all(isinstance(c, str) for c in captions):
        raise StageError(f"{where}: captions must be sentences, not {value!r:.60}")
    return captions


def _open(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as e:
        raise StageError(f"{file}: cut short, damaged or no parquet file ({_first_line(e)})") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
