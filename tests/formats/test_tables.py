"""Tables that people have: the same rows from three formats, and one line for each fault, with file and row."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.errors import StageError
from harness.formats.tables import Row, rows


def write(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_three_formats_have_the_same_rows(tmp_path: Path) -> None:
    csv = write(tmp_path, "a.csv", '\ufeffitem,label\r\n\r\na,Krüge\r\n"b,\nc",2\r\n')
    lines = write(
        tmp_path, "a.jsonl", '{"item": "a", "label": "Krüge"}\n\n{"item": "b,\\nc", "label": "2"}\n'
    )
    pq.write_table(pa.table({"item": ["a", "b,\nc"], "label": ["Krüge", "2"]}), tmp_path / "a.parquet")
    expected = [{"item": "a", "label": "Krüge"}, {"item": "b,\nc", "label": "2"}]
    for file in (csv, lines, tmp_path / "a.parquet"):
        assert [row.cells for row in rows(file)] == expected
    assert [row.where for row in rows(csv)] == [f"{csv}:3", f"{csv}:4"]
    assert [row.where for row in rows(lines)] == [f"{lines}:1", f"{lines}:3"]
    assert [row.where for row in rows(tmp_path / "a.parquet")] == [
        f"{tmp_path}/a.parquet row {n}" for n in (0, 1)
    ]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"item,label\na,b\nK\xfcste,c\n", ":3: not UTF-8 (byte 0xfc)"),
        ("a.csv", "item,label\na\n", ":2: 1 cells, expected 2: item, label"),
        ("a.csv", "item,item\na,b\n", ":1: two columns are called 'item'"),
        ("a.csv", 'item,label\n"a"b,c\n', ":2: no CSV"),
        (
            "a.csv",
            "item;label\na;b\n",
            ":1: columns are separated by semicolons, expected commas; save it with",
        ),
        ("a.csv", '\n"item"\t"label"\n', ":1: columns are separated by tabs, expected commas"),
        ("a.csv", "sep=;\nitem;label\n", ":1: columns are separated by semicolons"),
        ("a.jsonl", '{"item": 1}\n[1]\n', ":2: a list, expected an object"),
        ("a.jsonl", '{"item": NaN}\n', ":1: not JSON (NaN is no number)"),
        ("a.jsonl", b'{"item": "\xfc"}\n', ":1: not text in UTF-8"),
        ("a.parquet", "item,label\n", "no parquet"),
        ("a.parquet", "", "no parquet"),
        ("a.xlsx", "", "no table; its name must end in .csv, .jsonl, .ndjson, .parquet"),
    ],
)
def test_each_fault_is_one_line(tmp_path: Path, name: str, content: str | bytes, told: str) -> None:
    file = write(tmp_path, name, content)
    with pytest.raises(StageError) as e:
        list(rows(file))
    assert str(file) in str(e.value)
    assert told in str(e.value)
    assert "\n" not in str(e.value)


def test_a_missing_column_is_named_with_the_nearest() -> None:
    with pytest.raises(StageError, match=r"f:2: no 'label', only item, lable; did you mean 'lable'\?"):
        Row("f:2", {"item": "a", "lable": "b"})["label"]
