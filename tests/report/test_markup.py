from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.test_golden import NASTY

from harness.artifact import Json
from harness.report.markup import detail_table, escape


@given(st.text())
def test_escaped_text_stays_one_line_in_one_cell_without_markup(text: str) -> None:
    escaped = escape(text)
    bare = escaped.replace("<span>$</span>", "").replace("@<!-- -->", "")
    assert "\n" not in escaped
    assert not re.search(r"[<>]", bare)
    assert not re.search(r"(?<!\\)(?:\\\\)*(?<!\\)[|`*]", bare)


def test_ordinary_names_are_left_as_they_are() -> None:
    assert escape("scores.overall_accuracy: 0.5 (5 seeds), org/name@abc") == (
        "scores.overall_accuracy: 0.5 (5 seeds), org/name@abc"
    )


def test_mentions_notify_nobody_and_right_to_left_text_is_isolated() -> None:
    assert "@<!-- -->team" in escape(NASTY)
    assert escape(NASTY).startswith("\u2068")
    assert escape(NASTY).endswith("\u2069")


@pytest.mark.parametrize(
    ("detail", "columns", "rows"),
    [
        ({"a": 1, "b": "x"}, ["", "value"], [["a", 1], ["b", "x"]]),
        ({"a": {"n": 1}, "b": {"m": 2}}, ["", "n", "m"], [["a", 1, ""], ["b", "", 2]]),
        ([{"n": 1}, {"n": 2}], ["n"], [[1], [2]]),
        ([[1, 2], [3, 4]], ["", ""], [[1, 2], [3, 4]]),
        ({"classes": ["x"], "matrix": [[7]]}, ["label \\ prediction", "x"], [["x", 7]]),
        (
            {"classes": ["x"], "matrix": [[7], [8]]},
            ["", "value"],
            [["classes", ["x"]], ["matrix", [[7], [8]]]],
        ),
        ([1, 2], ["value"], [[1], [2]]),
        ("text", ["value"], [["text"]]),
        (None, ["value"], [[None]]),
        ({}, ["", "value"], []),
    ],
)
def test_a_detail_becomes_a_table(detail: Json, columns: list[str], rows: list[list[Json]]) -> None:
    assert detail_table(detail) == (columns, rows)
