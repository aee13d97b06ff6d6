"""Text means what the annotation says, strictly, or one line says what was expected."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Le, Len, Lt, MaxLen, MinLen, MultipleOf
from hypothesis import given
from hypothesis import strategies as st
from toy import File

from harness.errors import SuiteError
from harness.stage import Count, Fraction
from harness.suite.located_yaml import parse as parse_text
from harness.suite.typed import describe, json_schema, parse, to_json


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


def value(annotation: Any, text: str) -> Any:
    return parse(annotation, parse_text(text, "suites/s.yaml"), "steps")


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (bool, "true", True),
        (bool, "false", False),
        (int, "-12", -12),
        (int, "0", 0),
        (float, "1e-6", 1e-6),
        (float, "5", 5.0),
        (float, ".5", 0.5),
        (str, "no", "no"),
        (str, "5", "5"),
        (str, "'null'", "null"),
        (Literal["pndm", "ddim"], "ddim", "ddim"),
        (Literal[1, "auto", False], "1", 1),
        (Literal[1, "auto", False], "false", False),
        (Mode, "slow", Mode.SLOW),
        (tuple[int, ...], "[1, 2]", (1, 2)),
        (tuple[int, ...], "[]", ()),
        (tuple[int, str], "[1, a]", (1, "a")),
        (list[float], "[1]", [1.0]),
        (Mapping[str, tuple[str, ...]], "{Water Body: [river, pond]}", {"Water Body": ("river", "pond")}),
        (int | None, "null", None),
        (int | None, "3", 3),
        (int | Literal["auto"], "auto", "auto"),
        (Annotated[int | None, Ge(1)], "null", None),
        (Count, "1", 1),
        (Annotated[tuple[int, ...], MinLen(1), MaxLen(2)], "[1]", (1,)),
    ],
)
def test_text_becomes_a_value_of_the_type(annotation: Any, text: str, expected: object) -> None:
    found = value(annotation, text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "text", "message"),
    [
        (bool, "yes", "steps: expected true or false, not 'yes'"),
        (int, "1.5", "steps: expected a whole number, not '1.5'"),
        (int, "1_000", "steps: expected a whole number, not '1_000'"),
        (int, "1e3", "steps: expected a whole number, not '1e3'"),
        (int, "007", "steps: expected a whole number, not '007'"),
        (int, "'5'", "steps: expected a whole number, not '5' in quotes"),
        (int, "9223372036854775808", "steps: expected a whole number, not '9223372036854775808'"),
        (int, "null", "steps: expected a whole number, not null"),
        (int, "[1]", "steps: expected a whole number, not a list"),
        (float, ".nan", "steps: expected a number, not '.nan'"),
        (float, "nan", "steps: expected a number, not 'nan'"),
        (float, "1e999", "steps: expected a number, not '1e999'"),
        (str, "null", "steps: expected text, not null"),
        (
            Literal["pndm", "ddim"],
            "pndn",
            "steps: 'pndn' is none of pndm, ddim; did you mean 'pndm'?",
        ),
        (Literal[1], "'1'", "steps: '1' is none of 1; did you mean '1'?"),
        (Mode, "fats", "steps: 'fats' is none of fast, slow; did you mean 'fast'?"),
        (tuple[int, ...], "1", "steps: expected a list of whole number, not '1'"),
        (tuple[int, ...], "[1, x]", "steps[1]: expected a whole number, not 'x'"),
        (tuple[int, str], "[1]", "steps: expected 2 items, not 1"),
        (Mapping[str, int], "{a: x}", "steps.a: expected a whole number, not 'x'"),
        (Mapping[str, int] | int, "{a: x}", "steps.a: expected a whole number, not 'x'"),
        (Mapping[str, int], "[a]", "steps: expected a mapping to whole number, not a list"),
        (int | None, "x", "steps: expected a whole number, not 'x'"),
        (int | bool, "x", "steps: expected whole number or true or false, not 'x'"),
        (Count, "0", "steps: 0 is not at least 1"),
        (Fraction, "1.5", "steps: 1.5 is not at most 1"),
        (Annotated[float, Gt(0)], "0", "steps: 0 is not greater than 0"),
        (Annotated[float, Lt(1)], "1", "steps: 1 is not less than 1"),
        (Annotated[float, Le(1)], "2", "steps: 2 is not at most 1"),
        (Annotated[int, MultipleOf(8)], "12", "steps: 12 is not a multiple of 8"),
        (Annotated[int, Interval(gt=0, lt=9)], "9", "steps: 9 is not less than 9"),
        (Annotated[tuple[int, ...], Len(1, 2)], "[]", "steps: a list is not at least 1 long"),
        (Annotated[str, MaxLen(2)], "abc", "steps: abc is not at most 2 long"),
        (File, "numbers.json", "steps: 'numbers.json' is not of the form path:FILE"),
        (File, "null", "steps: expected text (File), not null"),
    ],
)
def test_what_does_not_fit_says_what_was_expected(annotation: Any, text: str, message: str) -> None:
    with pytest.raises(SuiteError) as refusal:
        value(annotation, text)
    assert str(refusal.value) == f"suites/s.yaml:1: {message}"


def test_a_path_is_relative_to_the_file_in_which_it_stands() -> None:
    assert value(File, "path:mine.json").path == Path("suites/mine.json")


def test_a_type_that_no_text_can_mean_is_the_authors_mistake() -> None:
    with pytest.raises(TypeError, match="no type of a suite's value"):
        value(object, "x")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_to_the_last_digit(number: float) -> None:
    assert value(float, repr(number)) == number
    assert math.copysign(1, value(float, "-0.0")) == 1


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_come_back(number: int) -> None:
    assert value(int, str(number)) == number


@given(
    st.sampled_from([bool, int, float, str, Count, Mode, int | None, tuple[int, ...], File]),
    st.text(max_size=20),
)
def test_any_text_has_a_value_or_one_line(annotation: Any, text: str) -> None:
    try:
        tree = parse_text(text, "s.yaml")
        parse(annotation, tree, "x")
    except SuiteError as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017


def test_the_plain_form_is_canonical(tmp_path: Path) -> None:
    (tmp_path / "n.json").write_text("[1]")
    mine = File("path:n.json", tmp_path)
    assert to_json({"a": (1, Mode.FAST, None), "b": mine}) == {"a": [1, "fast", None], "b": mine.to_key()}
    with pytest.raises(TypeError, match="no plain form"):
        to_json(object())


def test_types_describe_themselves() -> None:
    assert describe(Count) == "whole number, at least 1"
    assert describe(Literal["a", "b"] | None) == "a | b or null"
    assert describe(tuple[int, float]) == "[whole number, number]"


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (Count, {"type": "integer", "minimum": 1}),
        (Fraction, {"type": "number", "minimum": 0, "maximum": 1}),
        (Mode, {"enum": ["fast", "slow"]}),
        (Literal[1, True, None], {"enum": [1, True, None]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (
            Annotated[tuple[int, ...], MinLen(1)],
            {"type": "array", "items": {"type": "integer"}, "minItems": 1},
        ),
        (
            Annotated[Mapping[str, int], MinLen(1)],
            {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1},
        ),
    ],
)
def test_types_have_a_schema(annotation: Any, schema: dict[str, Any]) -> None:
    assert json_schema(annotation) == schema
