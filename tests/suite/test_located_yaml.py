"""YAML becomes located text, and what suites leave out of YAML is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.errors import SuiteError, UsageError, Where
from harness.suite.located_yaml import MAX_BYTES, MAX_DEPTH, List, Map, Scalar, Tree, load, parse


def as_plain(tree: Tree) -> object:
    if isinstance(tree, Scalar):
        return tree.text
    if isinstance(tree, List):
        return [as_plain(t) for t in tree.items]
    return {k: as_plain(e.value) for k, e in tree.entries.items()}


def test_scalars_stay_the_characters_that_were_written() -> None:
    tree = parse("{a: no, b: 1e-6, c: 0x10, d: 2026-01-01, e: 010, 1: '1', f: 1_000}", "s.yaml")
    assert as_plain(tree) == {
        "a": "no",
        "b": "1e-6",
        "c": "0x10",
        "d": "2026-01-01",
        "e": "010",
        "1": "1",
        "f": "1_000",
    }


def test_every_node_and_key_knows_its_line() -> None:
    tree = parse("a: 1\n\nb:\n  - x\n  - {c: y}\n", "s.yaml")
    assert isinstance(tree, Map)
    b = tree.entries["b"]
    assert b.key_where == Where("s.yaml", 3)
    assert isinstance(b.value, List)
    assert [item.where.line for item in b.value.items] == [4, 5]


@pytest.mark.parametrize(("text", "null"), [("null", True), ("~", True), ("'null'", False), ("none", False)])
def test_null_is_a_plain_word(text: str, null: bool) -> None:
    tree = parse(text, "s.yaml")
    assert isinstance(tree, Scalar)
    assert tree.is_null is null


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "'a' stands twice (first in line 1)"),
        ("a: !!python/object:os.system x", 1, "tag !!python/object:os.system"),
        ("a: !x y", 1, "tag !x"),
        ("a: &x 1", 1, "anchor &x"),
        ("a: 1\nb: *x", 2, "alias *x"),
        ("a:\n  <<: {b: 1}", 2, "merge keys"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("a: 1\n\tb: 2", 2, "not YAML"),
        ("a: [1, 2", 1, "not YAML"),
        ("a: \x00", 1, "not YAML"),
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("a: 1\nb:\n", 2, "'b' has no value"),
        ("- a\n-\n", 2, "empty"),
        ("? [a]\n: b", 1, "a key is a word"),
        ("'': b", 1, "a key is a word"),
        ("[" * (MAX_DEPTH + 1), 1, "nested more than"),
    ],
)
def test_what_suites_leave_out_is_refused_where_it_stands(text: str, line: int, words: str) -> None:
    with pytest.raises(SuiteError) as refusal:
        parse(text, "s.yaml")
    assert refusal.value.where == Where("s.yaml", line)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_bomb_is_met_before_it_is_unpacked() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(SuiteError, match="anchor &a"):
        parse(bomb, "s.yaml")


def test_a_file_that_is_no_text_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"suite: x\nabout: \xff\xfe\n")
    with pytest.raises(UsageError, match=r"s\.yaml:2: not text in UTF-8"):
        load(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"a" * (MAX_BYTES + 1))
    with pytest.raises(UsageError, match="larger than 1 MB"):
        load(path)


def test_a_missing_file_and_a_folder_are_usage_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            load(path)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbfsuite: x\n")
    assert as_plain(load(path)) == {"suite": "x"}


def test_the_text_can_come_from_elsewhere() -> None:
    tree = load(Path("old/s.yaml"), lambda path: f"suite: {path.name}")
    assert as_plain(tree) == {"suite": "s.yaml"}
    assert tree.where.file == str(Path("old/s.yaml"))


yaml_like = st.text(
    alphabet=st.sampled_from(list("ab1:,-?[]{}#&*!|>'\"%@` \t\n\\~.=<\0\x85é😀\ud800")), max_size=60
)


@given(st.one_of(st.text(max_size=80), yaml_like))
@example("\ud800")
@example('"\\ud800"')
@example("%YAML 9.9\n--- a")
@example("a: |\n  x")
def test_any_text_becomes_a_tree_or_one_line(text: str) -> None:
    try:
        tree = parse(text, "s.yaml")
    except SuiteError as refusal:
        assert str(refusal).startswith("s.yaml:")  # noqa: PT017
    else:
        assert isinstance(tree, Scalar | List | Map)


words = st.text(alphabet="abcdefghijklmnopqrstuvwxyz_0123456789é ", min_size=1).map(str.strip).filter(bool)
trees = st.recursive(
    words, lambda t: st.lists(t, max_size=4) | st.dictionaries(words, t, max_size=4), max_leaves=12
)


def as_flow(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(as_flow(v) for v in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}": {as_flow(v)}' for k, v in value.items()) + "}"
    return f'"{value}"'


@given(trees)
def test_what_was_written_comes_back(value: object) -> None:
    assert as_plain(parse(as_flow(value), "s.yaml")) == value
