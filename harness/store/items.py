"""Per-item rows on disk: one parquet file next to a run, a baseline, or a stored score.

Long form, one row per item and field: ``metric``, ``point`` and ``seeds`` (canonical JSON), ``item``, ``cluster`` (null
if items are independent), ``field``, ``value`` (float64). The rows of one metric, point, repeat and field are
contiguous, in the metric's own order.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from harness.artifact import Json
from harness.errors import ResourceError, UsageError
from harness.formats.strict_json import canonical
from harness.stage import Items

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("metric", "point", "seeds", "item", "cluster", "field", "value")
GROUP_ROWS = 1 << 20
"""Number of rows to collect before they are written; it limits the writer's memory."""


@dataclass(frozen=True)
class ItemRows:
    """The rows of one metric at one point for one repeat; these three are empty for a single stored score."""

    metric: str
    point: Mapping[str, Json]
    seeds: Mapping[str, int]
    items: Items


class ItemColumn(NamedTuple):
    """One field of one repeat, one value per item."""

    items: Sequence[str]
    clusters: Sequence[str] | None
    values: Sequence[float]


def write_items(path: Path, entries: Iterable[ItemRows]) -> None:
    """Write all rows to a new file; equal rows give equal bytes.

    Raises:
        OSError: the file cannot be written.
    """
    from pyarrow import parquet

    # Pass an open file: the library does not accept paths that are not UTF-8.
    with (
        path.open("wb") as file,
        parquet.ParquetWriter(file, _schema(), compression="zstd") as writer,
    ):
        waiting: list[pa.Table] = []
        for entry in entries:
            waiting.extend(_tables(entry))
            if sum(t.num_rows for t in waiting) >= GROUP_ROWS:
                writer.write_table(_joined(waiting))
                waiting = []
        if waiting:
            writer.write_table(_joined(waiting))


def read_stored_items(path: Path) -> Items:
    """The rows of a file that holds one ``ItemRows``, as the metric returned them.

    Raises:
        UsageError: the file is missing or is not such a file.
    """
    reader = ItemsReader(path)
    columns = {name[-1]: reader.column(*name) for name in reader.names()}
    if not columns:
        raise UsageError(f"{path}: no rows")
    first = next(iter(columns.values()))
    return Items(first.items, {f: c.values for f, c in columns.items()}, first.clusters)


class ItemsReader:
    """Reads such a file when rows are first requested, and then keeps them in memory.

    Args:
        source: the file, or its bytes.
        name: name of the file in errors; by default its path.
    """

    def __init__(self, source: Path | bytes, name: str = "") -> None:
        self._source = source
        self.name = name or (str(source) if isinstance(source, Path) else "items")

    def items(
        self, metric: str, point: Mapping[str, Json], seeds: Mapping[str, int], field: str
    ) -> ItemColumn | None:
        """The rows of one repeat and field; None if the field has no rows (it is one measurement).

        Raises:
            UsageError: the file is missing or does not have per-item rows.
        """
        key = (metric, canonical(point), canonical(seeds), field)
        return self.column(*key) if key in self._spans else None

    def names(self) -> Iterable[tuple[str, str, str, str]]:
        """Metric, point, seeds (both canonical JSON) and field of everything in the file, in its order."""
        return self._spans.keys()

    def column(self, metric: str, point: str, seeds: str, field: str) -> ItemColumn:
        """As ``items``, for a key from ``names``."""
        start, stop = self._spans[metric, point, seeds, field]
        rows = self._table.slice(start, stop - start)
        clusters = rows["cluster"].to_pylist()
        clustered = clusters[0] is not None
        names, values = rows["item"].to_pylist(), rows["value"].to_pylist()
        sound = (
            all((c is not None) == clustered for c in clusters)
            and all(v is not None and math.isfinite(v) for v in values)
            and len(set(names)) == len(names)
        )
        if not sound:
            raise UsageError(
                f"{self.name}: {metric}.{field}: an item twice, without cluster, or not a finite number"
            )
        return ItemColumn(names, clusters if clustered else None, values)

    def rows(self) -> Iterator[ItemRows]:
        """All rows of the file, one repeat at a time, to write them elsewhere."""
        repeats: dict[tuple[str, str, str], list[str]] = {}
        for metric, point, seeds, field in self.names():
            repeats.setdefault((metric, point, seeds), []).append(field)
        for (metric, point, seeds), fields in repeats.items():
            columns = {f: self.column(metric, point, seeds, f) for f in fields}
            first = columns[fields[0]]
            items = Items(first.items, {f: c.values for f, c in columns.items()}, first.clusters)
            yield ItemRows(metric, json.loads(point), json.loads(seeds), items)

    @cached_property
    def _table(self) -> pa.Table:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            # Pass an open file: the library does not accept paths that are not UTF-8.
            source = io.BytesIO(self._source) if isinstance(self._source, bytes) else self._source.open("rb")
            # Not read_table: it imports pyarrow.dataset and so pandas, which takes half the time of a cached run.
            with source, parquet.ParquetFile(source) as file:
                table = file.read().select(list(COLUMNS)).cast(_schema())
        except FileNotFoundError:
            raise UsageError(f"{self.name}: missing, though its record says that there are items") from None
        except (pa.ArrowException, KeyError, OSError) as e:
            problem = str(e).partition("\n")[0]
            if "launch worker thread" in problem:
                raise ResourceError(f"{self.name}: cannot be read ({problem})") from None
            raise UsageError(f"{self.name}: not a parquet file of per-item rows ({problem})") from None
        empty = [c for c in COLUMNS if c != "cluster" and table[c].null_count]
        if empty:
            raise UsageError(f"{self.name}: not a parquet file of per-item rows (nothing in {empty[0]!r})")
        return table.combine_chunks()

    @cached_property
    def _spans(self) -> dict[tuple[str, str, str, str], tuple[int, int]]:
        """First row and end row of each metric, point, repeat and field."""
        import numpy as np

        coded = [self._codes(c) for c in ("metric", "point", "seeds", "field")]
        if not self._table.num_rows:
            return {}
        changed = np.zeros(self._table.num_rows, dtype=bool)
        changed[0] = True
        for codes, _ in coded:
            changed[1:] |= codes[1:] != codes[:-1]
        starts = np.flatnonzero(changed).tolist()
        spans: dict[tuple[str, str, str, str], tuple[int, int]] = {}
        for start, stop in zip(starts, [*starts[1:], self._table.num_rows], strict=True):
            metric, point, seeds, field = (names[codes[start]] for codes, names in coded)
            if (metric, point, seeds, field) in spans:
                raise UsageError(f"{self.name}: the rows of {metric}.{field} at {point} stand in two places")
            spans[metric, point, seeds, field] = start, stop
        return spans

    def _codes(self, column: str) -> tuple[Any, list[str]]:
        """For each row an index into the distinct values of a column, and those values."""
        import numpy as np

        array = self._table[column]
        array = array.chunk(0) if array.num_chunks else array.combine_chunks()
        return np.from_dlpack(array.indices), array.dictionary.to_pylist()  # to_numpy would import pandas


def _schema() -> pa.Schema:
    import pyarrow as pa

    name = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([(c, pa.float64() if c == "value" else name) for c in COLUMNS])


def _tables(entry: ItemRows) -> Iterable[pa.Table]:
    import pyarrow as pa

    n = len(entry.items.item)
    items = _strings(entry.items.item).dictionary_encode()
    clusters = (
        _strings(entry.items.cluster) if entry.items.cluster else pa.nulls(n, pa.string())
    ).dictionary_encode()
    constants = (entry.metric, canonical(entry.point), canonical(entry.seeds))
    for field, values in entry.items.columns.items():
        same = [_repeated(v, n) for v in (*constants, field)]
        arrays = [*same[:3], items, clusters, same[3], _numbers(values, "float64")]
        yield pa.Table.from_arrays(arrays, schema=_schema())


def _repeated(value: str, n: int) -> pa.DictionaryArray:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(_numbers([0] * n, "int32"), _strings([value]))


def _numbers(values: Sequence[float], dtype: Literal["float64", "int32"]) -> pa.Array:
    """As ``pa.array``, which would import pandas to check for pandas objects."""
    import numpy as np
    import pyarrow as pa

    kind = {"float64": pa.float64(), "int32": pa.int32()}[dtype]
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.array(values, dtype).tobytes())])


def _strings(values: Sequence[str]) -> pa.StringArray:
    import numpy as np
    import pyarrow as pa

    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype="int32")
    return pa.StringArray.from_buffers(
        len(values), pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(encoded))
    )


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()
