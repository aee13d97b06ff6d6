from __future__ import annotations

import pytest
from compare.runs import repeats, run, score
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import Point
from harness.compare.match import ABSENT, in_point, is_deselected, match, point, value_at
from harness.store.record import Score

ONE = repeats([0.5])


def at(steps: int, **changes: object) -> Score:
    return score(ONE, {"images.steps": steps}, **changes)


def steps(scores: tuple[Score, ...]) -> list[object]:
    return [s.settings.get("images.steps") for s in scores]


def test_scores_at_equal_points_are_a_pair() -> None:
    found = match(run(at(10), at(25)), run(at(25), at(10)))
    assert [(p.candidate.point, p.baseline.point) for p in found.pairs] == [
        ({"images.steps": n},) * 2 for n in (10, 25)
    ]
    assert (found.new, found.missing, found.not_run) == ((), (), ())


def test_an_axis_that_one_side_does_not_sweep_comes_from_its_settings() -> None:
    fixed = score(ONE, settings={"images.steps": 25})
    found = match(run(fixed), run(at(10), at(25), at(50)))
    assert [p.baseline.point for p in found.pairs] == [{"images.steps": 25}]
    assert steps(found.missing) == [10, 50]
    turned = match(run(at(10), at(25), at(50)), run(fixed))
    assert [p.candidate.point for p in turned.pairs] == [{"images.steps": 25}]
    assert steps(turned.new) == [10, 50]


def test_an_axis_that_one_side_does_not_know_has_the_other_sides_default() -> None:
    unknown = score(ONE, settings={})
    found = match(run(at(10), at(25), defaults={"images.steps": 25}), run(unknown))
    assert [p.candidate.point for p in found.pairs] == [{"images.steps": 25}]
    turned = match(run(unknown), run(at(10), at(25), defaults={"images.steps": 25}))
    assert [p.baseline.point for p in turned.pairs] == [{"images.steps": 25}]
    assert not match(run(at(10), at(25)), run(unknown)).pairs
    nothing = score(ONE, {"images.steps": None})
    assert not match(run(nothing, at(10)), run(unknown)).pairs, "null is a value of its own"


SWEPT, FIXED = score(ONE, {"images.steps": 25}, settings={}), score(ONE, settings={"images.steps": 25})


@pytest.mark.parametrize("given", [SWEPT, FIXED], ids=["swept", "fixed"])
def test_a_value_of_an_axis_is_that_of_the_point_or_of_the_settings(given: Score) -> None:
    assert (value_at(given, "images.steps"), value_at(given, "images.size")) == (25, ABSENT)
    assert [in_point(given, {"images.steps": n}) for n in (25, 10)] == [True, False]
    assert not in_point(given, {"images.steps": 25, "images.size": 64})
    assert in_point(given, {})
    assert point(given) == Point("m", given.point)


@pytest.mark.parametrize("given", [SWEPT, FIXED], ids=["swept", "fixed"])
def test_a_score_at_a_value_that_was_not_selected_is_deselected(given: Score) -> None:
    assert is_deselected(given, {"images.steps": [10, 50]})
    assert is_deselected(given, {"images.steps": [25], "images.size": [64]}) is False
    assert is_deselected(given, {"images.size": [64], "images.steps": [10]})


def test_what_was_deselected_is_not_run_and_the_rest_is_missing() -> None:
    kid = score(ONE, metric="kid")
    found = match(run(at(10), only={"images.steps": [10]}), run(at(10), at(25), kid))
    assert steps(found.not_run) == [25]
    assert [s.metric for s in found.missing] == ["kid"], (
        "it does not depend on the axis, so nothing deselected it"
    )


def test_metrics_match_on_their_own_axes_only() -> None:
    text = score(ONE, metric="text")
    found = match(run(at(10), text), run(at(25), text))
    assert [p.candidate.metric for p in found.pairs] == ["text"]


@given(st.lists(st.integers(0, 30), unique=True), st.lists(st.integers(0, 30), unique=True))
def test_every_score_lands_in_exactly_one_place(ours: list[int], theirs: list[int]) -> None:
    found = match(run(*map(at, ours)), run(*map(at, theirs)))
    assert sorted([*steps(tuple(p.candidate for p in found.pairs)), *steps(found.new)]) == sorted(ours)  # type: ignore[type-var]
    assert sorted([*steps(tuple(p.baseline for p in found.pairs)), *steps(found.missing)]) == sorted(theirs)  # type: ignore[type-var]
    assert {p.candidate.point["images.steps"] for p in found.pairs} == set(ours) & set(theirs)
