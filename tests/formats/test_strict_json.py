"""JSON is read strictly; anything else ends in one line that names the file."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StageError, UsageError
from harness.formats import strict_json

HARNESS = Path(__file__).parents[2] / "harness"
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "file.json:1: empty"),
    "blank": (b"\n\n", "file.json:3: empty"),
    "torn": (b'{"a":\n[1, ', "file.json:2: not JSON"),
    "NaN": (b'{"a": NaN}', "NaN is no number"),
    "infinite": (b"[-Infinity]", "-Infinity is no number"),
    "huge float": (b"[1e999]", "1e999 is too large"),
    "long number": (b"[" + b"9" * 10_000 + b"]", "a whole number of 10000 digits"),
    "deep list": (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
    "deep object": (b'{"a":' * 100_000, "nested too deep"),
    "rather deep": (b"[" * 150 + b"]" * 150, "nested too deep"),
    "half a character": (rb'["\ud800"]', r"\ud800 is half a character"),
    "NUL": (b'{"a": "\x00"}', "file.json:1: not JSON"),
    "twice": (b'{"a": 1, "a": 2}', "'a' stands twice in one object"),
    "Latin-1": (b'{\n"a": "caf\xe9"}', "file.json:2: not text in UTF-8"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "file.json:1: not text in UTF-8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_json_is_one_line_with_the_file(tmp_path: Path, name: str) -> None:
    content, told = REFUSED[name]
    file = tmp_path / "file.json"
    file.write_bytes(content)
    with pytest.raises(UsageError) as refused:
        strict_json.read(file)
    assert str(refused.value).startswith(str(file))
    assert told in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@given(VALUES)
def test_what_was_written_is_read_again(value: object) -> None:
    assert strict_json.loads(json.dumps(value, allow_nan=False), "") == value
    assert strict_json.loads(b"\xef\xbb\xbf" + json.dumps(value, ensure_ascii=False).encode(), "") == value


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert strict_json.loads(rb'"\ud83d\ude80"', "") == "\U0001f680"


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "missing", "NUL"])
def test_what_is_no_file_is_refused_and_waited_for_by_nobody(tmp_path: Path, kind: str) -> None:
    place = tmp_path / ("a\0b" if kind == "NUL" else kind)
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=r"cannot be read \("):
        strict_json.read(place)


def test_only_stages_read_json_by_themselves() -> None:
    """What they, their formats and their sources read is checked against its key, and whatever they raise fails their
    task alone.
    """
    lenient = set()
    for file in HARNESS.rglob("*.py"):
        name = file.relative_to(HARNESS).as_posix()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("json.loads", "json.load"):
                lenient.add(name)
    read_by_stages = {
        "formats/embedder.py",
        "sources/content.py",
        "sources/parquet_set.py",
    }
    own = {
        "api/frames.py",
        "cli/commands/explain.py",
        "report/finding_text.py",
        "store/entries.py",
        "store/items.py",
    }
    """They take apart what they, or a record that was checked, have put together."""
    assert {n for n in lenient if not n.startswith("stages/")} == own | read_by_stages


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"[" * 5000 + b"]" * 5000, "rows.jsonl:3: not JSON (nested too deep)"),
        (b'{"a": NaN}', "rows.jsonl:3: not JSON (NaN is no number)"),
        (b'{"a": "\\ud83d"}', "rows.jsonl:3: not JSON (\\ud83d is half a character)"),
        (b'{"a": 1, "a": 2}', "rows.jsonl:3: not JSON ('a' stands twice in one object)"),
        (b"[1]", "rows.jsonl:3: a list, expected an object"),
        (b"7", "rows.jsonl:3: a number, expected an object"),
        (b'{"a": "caf\xe9"}', "rows.jsonl:3: not text in UTF-8"),
        (b'{"a": ', "rows.jsonl:3: not JSON (Expecting value at column 7)"),
    ],
)
def test_each_line_of_a_json_lines_file_is_strict(line: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"a": "\xe2\x80\xa8"}\n\n' + line + b"\n")
    rows = strict_json.objects(file)
    assert next(rows) == (f"{file}:1", {"a": "\u2028"})
    with pytest.raises(StageError, match=re.escape(said)):
        next(rows)


def test_blank_lines_of_a_json_lines_file_are_skipped(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n{"a": 2}\n\n')
    assert list(strict_json.objects(file)) == [(f"{file}:1", {"a": 1}), (f"{file}:3", {"a": 2})]
    with pytest.raises(StageError, match="cannot be read"):
        next(strict_json.objects(tmp_path / "none.jsonl"))
