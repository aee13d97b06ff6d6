from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from harness.errors import UsageError
from harness.stage import Items
from harness.store.items import COLUMNS, ItemRows, ItemsReader, read_stored_items, write_items

names = st.lists(st.text(max_size=8), min_size=1, max_size=6, unique=True)
finite = st.floats(allow_nan=False, allow_infinity=False)


def rows(metric: str, k: int, seed: int, values: Mapping[str, float]) -> ItemRows:
    columns = {"score": list(values.values()), "loss": [-v for v in values.values()]}
    return ItemRows(metric, {"m.k": k}, {"s.seed": seed}, Items(list(values), columns))


@given(names, st.data())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, items: list[str], data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("items") / "items.parquet"
    column = st.lists(finite, min_size=len(items), max_size=len(items))
    written = Items(
        items, {"a": data.draw(column), "b": data.draw(column)}, data.draw(st.none() | st.just(items))
    )
    write_items(file, [ItemRows("", {}, {}, written)])
    assert read_stored_items(file) == written


def test_each_repeat_and_field_is_found_by_name_from_a_file_or_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "items.parquet"
    write_items(file, [rows("m", k, s, {"x": k + s / 10, "y": 0.5}) for k in range(3) for s in range(2)])
    for reader in (ItemsReader(file), ItemsReader(file.read_bytes(), "elsewhere")):
        found = reader.items("m", {"m.k": 2}, {"s.seed": 1}, "score")
        assert found == (["x", "y"], None, [2.1, 0.5])
        assert reader.items("m", {"m.k": 2}, {"s.seed": 1}, "f1") is None
        assert reader.items("m", {"m.k": 9}, {"s.seed": 1}, "score") is None
        assert len(reader.names()) == 12


def test_equal_rows_make_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_items(tmp_path / name, [rows("m", 0, 0, {"x": 0.1, "y": 0.2})])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_many_rows_are_written_in_several_groups(tmp_path: Path) -> None:
    file, values = tmp_path / "items.parquet", {f"item-{i}": i / 7 for i in range(60_000)}
    write_items(file, (rows("m", k, 0, values) for k in range(10)))
    assert parquet.ParquetFile(file).num_row_groups > 1
    found = ItemsReader(file).items("m", {"m.k": 9}, {"s.seed": 0}, "score")
    assert found
    assert found.values == list(values.values())


def test_a_file_without_rows_has_none(tmp_path: Path) -> None:
    write_items(tmp_path / "items.parquet", [])
    assert ItemsReader(tmp_path / "items.parquet").items("m", {}, {}, "score") is None
    with pytest.raises(UsageError, match="no rows"):
        read_stored_items(tmp_path / "items.parquet")


def table(**changes: list[object]) -> pa.Table:
    usual: dict[str, list[object]] = {
        "metric": ["m", "m"],
        "point": ["{}", "{}"],
        "seeds": ["{}", "{}"],
        "item": ["x", "y"],
        "cluster": [None, None],
        "field": ["score", "score"],
        "value": [0.1, 0.2],
    }
    return pa.table({name: {**usual, **changes}[name] for name in COLUMNS})


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (table(item=["x", "x"]), "an item twice"),
        (table(cluster=["d", None]), "without cluster"),
        (table(value=[0.1, float("nan")]), "not a finite number"),
        (table(value=[0.1, float("inf")]), "not a finite number"),
        (table(value=[0.1, None]), "nothing in 'value'"),
        (table(item=["x", None]), "nothing in 'item'"),
        (table(value=["high", "low"]), "not a parquet file of per-item rows"),
        (table().drop_columns("seeds"), "not a parquet file of per-item rows"),
        (pa.concat_tables([table(), table(metric=["n", "n"]), table()]), "stand in two places"),
    ],
)
def test_a_file_that_was_made_by_hand_is_refused_in_one_line(
    tmp_path: Path, made: pa.Table, words: str
) -> None:
    parquet.write_table(made, tmp_path / "items.parquet")
    with pytest.raises(UsageError) as caught:
        ItemsReader(tmp_path / "items.parquet").items("m", {}, {}, "score")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_what_is_no_parquet_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "items.parquet").write_bytes(content)
    with pytest.raises(UsageError, match="not a parquet file of per-item rows"):
        ItemsReader(tmp_path / "items.parquet").items("m", {}, {}, "score")


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: float) -> None:
    file = tmp_path / "items.parquet"
    write_items(file, [rows("m", 0, 0, {"x": 0.1, "y": 0.2})])
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
    with pytest.raises(UsageError, match="not a parquet file of per-item rows"):
        ItemsReader(file).items("m", {"m.k": 0}, {"s.seed": 0}, "score")


def test_a_file_that_is_missing_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing, though its record says"):
        ItemsReader(tmp_path / "items.parquet").items("m", {}, {}, "score")
