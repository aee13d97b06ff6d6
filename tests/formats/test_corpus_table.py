"""``corpus.parquet``."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StageError
from harness.formats import corpus
from harness.formats.corpus import Row

ROWS = [Row("A lake.\nA town.", "a.pdf", 1, 0), Row("", "a.pdf", 3, 1), Row("湖。", "b/ü.md", 0, 0)]


@pytest.mark.parametrize("rows", [ROWS, []])
def test_rows_are_read_as_they_were_written(tmp_path, rows):
    corpus.write(tmp_path, rows)
    assert corpus.read(tmp_path) == rows


def test_the_columns_are_those_that_other_tools_are_told_of(tmp_path):
    corpus.write(tmp_path, ROWS)
    schema = pq.read_schema(tmp_path / "corpus.parquet")
    assert [(field.name, str(field.type)) for field in schema] == [
        ("text", "string"),
        ("document", "string"),
        ("page", "int32"),
        ("row", "int32"),
    ]


def test_counts():
    assert corpus.count(ROWS) == {"documents": 2, "rows": 3, "characters": 17}


def test_a_digest_is_of_everything_in_order():
    others = [ROWS[::-1], ROWS[:2], *([row._replace(**{f: v}), *ROWS[1:]] for row, f, v in changes())]
    digests = {corpus.digest(rows) for rows in (ROWS, *others)}
    assert len(digests) == len(others) + 1
    assert corpus.digest(list(ROWS)) == corpus.digest(ROWS)


def changes():
    return [(ROWS[0], "text", "B"), (ROWS[0], "document", "b"), (ROWS[0], "page", 2), (ROWS[0], "row", 5)]


@given(st.lists(st.text(), min_size=2, max_size=2))
def test_where_one_text_ends_and_the_next_begins_is_in_the_digest(texts):
    joined = [Row("".join(texts), "a", 0, 0), Row("", "a", 0, 1)]
    apart = [Row(texts[0], "a", 0, 0), Row(texts[1], "a", 0, 1)]
    assert (corpus.digest(joined) == corpus.digest(apart)) == (joined == apart)


def test_a_table_that_is_none_or_another_is_one_line(tmp_path):
    with pytest.raises(StageError, match="cannot be read as a corpus"):
        corpus.read(tmp_path)
    (tmp_path / "corpus.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(StageError, match="cannot be read as a corpus"):
        corpus.read(tmp_path)
    pq.write_table(pa.table({"text": ["a"], "source": ["b"]}), tmp_path / "corpus.parquet")
    with pytest.raises(StageError, match="columns text string, source string; expected text, document") as e:
        corpus.read(tmp_path)
    assert len(str(e.value).splitlines()) == 1
