"""Parquet files of our own: what they should hold, or one line that says what they do."""

import ast
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import harness
from harness.errors import StageError
from harness.formats.strict_table import PLAIN, read_rows, read_table, schema, write_rows

EXPECTED = schema({"name": pa.string(), "size": pa.int32()})


def test_what_was_written_is_read(tmp_path):
    table = pa.table({"name": ["a", "b"], "size": [1, 2]}, schema=EXPECTED)
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", EXPECTED, "sizes").equals(table)


@pytest.mark.parametrize("rows", [[("a", 1), ("b", 2)], []])
def test_rows_are_read_in_the_order_in_which_they_were_written(tmp_path, rows):
    write_rows(tmp_path / "t.parquet", EXPECTED, rows)
    assert list(read_rows(tmp_path / "t.parquet", EXPECTED, "sizes")) == rows


def test_the_bytes_hold_the_values_as_they_are(tmp_path):
    pq.write_table(pa.table({"name": ["river bank"] * 9}), tmp_path / "t.parquet", **PLAIN)
    assert (tmp_path / "t.parquet").read_bytes().count(b"river bank") == 9
    column = pq.read_metadata(tmp_path / "t.parquet").row_group(0).column(0)
    assert (column.compression, column.has_dictionary_page, column.is_stats_set) == (
        "UNCOMPRESSED",
        False,
        False,
    )


def test_every_stage_writes_its_tables_so():
    root = Path(harness.__file__).parent
    found = [
        (file.name, ast.unparse(call))
        for room in ("stages", "formats")
        for file in root.joinpath(room).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("pq.write_table", "pq.ParquetWriter")
    ]
    assert len(found) >= 4
    assert [(name, call) for name, call in found if not call.endswith(", **PLAIN)")] == []


def test_a_damaged_file_and_none_at_all_are_one_line(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 torn")
    for name in ("t.parquet", "none.parquet"):
        with pytest.raises(StageError, match=rf"{name}: cannot be read as sizes \(") as e:
            read_table(tmp_path / name, EXPECTED, "sizes")
        assert "\n" not in str(e.value)


def test_other_columns_are_named_beside_those_that_were_expected(tmp_path):
    pq.write_table(pa.table({"name": ["a"], "size": ["large"]}), tmp_path / "t.parquet")
    with pytest.raises(StageError, match=r"columns name string, size string; expected name and size$"):
        read_table(tmp_path / "t.parquet", EXPECTED, "sizes")
