from __future__ import annotations

from pathlib import Path

import pytest
from compare.runs import itemised, repeats, score, side, single

from harness.compare.values import Figure


def test_repeated_seeds_give_a_mean_with_its_interval() -> None:
    given = side(score(repeats([1.0, 2.0, 3.0])))
    figure = Figure.of(given.run.scores, "score", given)
    assert figure is not None
    assert (figure.mean, figure.repeats, figure.unit) == (2.0, 3, "seeds")
    assert figure.low == pytest.approx(2.0 - 2.919986 * 3**-0.5, abs=1e-5)  # t(0.95, 2) = 2.919986
    assert figure.high == pytest.approx(2.0 + 2.919986 * 3**-0.5, abs=1e-5)


def test_items_stand_in_for_seeds(tmp_path: Path) -> None:
    given = itemised(tmp_path / "run", [{f"i{n}": n / 10 for n in range(10)}])
    figure = Figure.of(given.run.scores, "score", given)
    assert figure is not None
    assert (figure.repeats, figure.unit) == (10, "items")
    assert figure.low is not None
    assert figure.low < figure.mean == pytest.approx(0.45)


def test_one_value_has_no_interval_and_neither_have_two_seeds() -> None:
    for scores, unit, n in ((score(single(0.4)), "one", 1), (score(repeats([0.3, 0.5])), "seeds", 2)):
        given = side(scores)
        assert Figure.of(given.run.scores, "score", given) == Figure(0.4, None, None, n, unit)


def test_a_failed_repeat_is_no_figure_rather_than_the_mean_of_the_rest() -> None:
    given = side(score(repeats([1.0, None, 3.0])))
    assert Figure.of(given.run.scores, "score", given) is None
    assert Figure.of([], "score", given) is None
