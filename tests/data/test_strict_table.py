"""Parquet files of our own: what they should hold, or one line that says what they do."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.data.strict_table import read_table, schema
from harness.errors import StageError

EXPECTED = schema({"name": pa.string(), "size": pa.int32()})


def test_what_was_written_is_read(tmp_path):
    table = pa.table({"name": ["a", "b"], "size": [1, 2]}, schema=EXPECTED)
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", EXPECTED, "sizes").equals(table)


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
