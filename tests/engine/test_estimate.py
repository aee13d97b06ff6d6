"""The expected time is that of the earlier executions that were most alike."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_plans import planned, tasks_of

from harness.engine.plan import Task, expected_s


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Training with 5 epochs at rate 0.1."""
    return tasks_of(planned(tmp_path_factory.mktemp("project")), "model")[0]


def took(wall_s: float, use: str = "toy.train", device: str = "cpu", **settings: Any) -> dict[str, Any]:
    return {"use": use, "settings": settings, "device": device, "wall_s": wall_s}


def test_nothing_is_expected_of_what_was_never_timed(task: Task) -> None:
    assert expected_s(task, [], "cpu") is None
    assert expected_s(task, [took(3.0, use="toy.draw"), took(3.0, device="cuda")], "cpu") is None


def test_those_whose_parameters_agree_the_most_count(task: Task) -> None:
    timings = [
        took(2.0, epochs=5, rate=0.1),
        took(4.0, epochs=5, rate=0.1),
        took(90.0, epochs=5, rate=0.1),
        took(700.0, epochs=50, rate=0.1),
        took(800.0),
    ]
    assert expected_s(task, timings, "cpu") == 4.0, "the median of the first three"
    assert expected_s(task, timings[3:], "cpu") == 700.0
    assert expected_s(task, timings[4:], "cpu") == 800.0


def test_values_are_compared_as_they_are_recorded(task: Task) -> None:
    timings = [took(1.0, window=[1, 1.0], weights={}), took(9.0, window=[2, 1.0], weights={})]
    assert expected_s(task, timings, "cpu") == 1.0


def test_a_setting_that_the_stage_no_longer_has_does_not_count(task: Task) -> None:
    assert expected_s(task, [took(5.0, old=1), took(7.0, epochs=5)], "cpu") == 7.0


@given(walls=st.lists(st.floats(0, 1e6), min_size=1), order=st.randoms(use_true_random=False))
def test_the_order_of_the_timings_does_not_matter(task: Task, walls: list[float], order: Any) -> None:
    timings = [took(w, epochs=5) for w in walls]
    shuffled = list(timings)
    order.shuffle(shuffled)
    expected = expected_s(task, timings, "cpu")
    assert expected == expected_s(task, shuffled, "cpu")
    assert expected is not None
    assert min(walls) <= expected <= max(walls)
