"""Krippendorff's α against the figures he published, and what it must and must not depend on."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.review.agreement import Level, alpha, consistency


def matrix(*observers: str) -> list[list[float]]:
    """Units from rows of observers; a dot is a missing value."""
    return [
        [float(v) for v in unit if v != "."] for unit in zip(*(o.split() for o in observers), strict=True)
    ]


FOUR_BY_TWELVE = matrix(
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
"""Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", part C and on."""
TWO_BY_TEN = matrix("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")
"""The same, part A: binary, two observers, nothing missing."""
TWO_BY_TWELVE = matrix("1 1 2 2 4 3 3 3 5 4 4 1", "2 1 2 2 2 3 3 3 5 4 4 4")
"""The same, part B: nominal, a to e."""


@pytest.mark.parametrize(
    ("units", "level", "published"),
    [
        (FOUR_BY_TWELVE, "nominal", 0.743),
        (FOUR_BY_TWELVE, "ordinal", 0.815),
        (FOUR_BY_TWELVE, "interval", 0.849),
        (TWO_BY_TEN, "nominal", 0.095),
        (TWO_BY_TWELVE, "nominal", 0.692),
    ],
)
def test_published_examples(units: list[list[float]], level: Level, published: float) -> None:
    found = alpha(units, level)
    assert found is not None
    assert found.alpha == pytest.approx(published, abs=5e-4)


def test_a_unit_with_one_rating_counts_for_nothing() -> None:
    found, without = alpha(FOUR_BY_TWELVE), alpha(FOUR_BY_TWELVE[:-1])
    assert found == without
    assert found is not None
    assert (found.units, found.ratings) == (11, 40)


def test_raters_who_always_agree_have_one_and_a_random_one_lowers_it() -> None:
    rng = random.Random(0)
    truth = [rng.randint(1, 5) for _ in range(40)]
    perfect = alpha([[t, t, t] for t in truth])
    spoilt = alpha([[t, t, rng.randint(1, 5)] for t in truth])
    assert perfect is not None
    assert spoilt is not None
    assert (perfect.alpha, perfect.low, perfect.high) == (1.0, 1.0, 1.0)
    assert spoilt.high is not None
    assert 0.1 < spoilt.alpha < spoilt.high < 0.8


def test_answers_by_lot_have_about_none() -> None:
    rng = random.Random(1)
    found = alpha([[rng.randint(1, 5) for _ in range(4)] for _ in range(300)])
    assert found is not None
    assert abs(found.alpha) < 0.05


@pytest.mark.parametrize("units", [[], [[3], [4]], [[3, 3], [3, 3, 3]]])
def test_it_is_not_defined_without_pairs_or_without_different_answers(units: list[list[float]]) -> None:
    assert alpha(units) is None


UNITS = st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=2, max_size=8)


@given(UNITS, st.randoms(use_true_random=False))
def test_the_order_of_units_and_raters_does_not_matter(units: list[list[int]], rng: random.Random) -> None:
    shuffled = [rng.sample(unit, len(unit)) for unit in rng.sample(units, len(units))]
    first, other = alpha(units), alpha(shuffled)
    assert (first is None) == (other is None)
    if first is not None and other is not None:
        assert other.alpha == pytest.approx(first.alpha)
        assert first.alpha <= 1


@given(UNITS)
def test_only_the_order_of_the_answers_matters_not_their_distance(units: list[list[int]]) -> None:
    stretched = {1: 1.0, 2: 10.0, 3: 11.0, 4: 50.0, 5: 51.0}
    first, other = alpha(units), alpha([[stretched[v] for v in unit] for unit in units])
    assert (first and first.alpha) == pytest.approx(other and other.alpha)


def test_its_interval_holds_the_value_of_many_more_units_about_nine_times_in_ten() -> None:
    rng = random.Random(2)

    def unit() -> list[float]:
        quality = rng.gauss(3, 1)
        return [min(max(round(quality + rng.gauss(0, 0.8)), 1), 5) for _ in range(3)]

    truth = alpha([unit() for _ in range(400)])
    assert truth is not None
    covered = 0
    for _ in range(120):
        found = alpha([unit() for _ in range(30)])
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth.alpha <= found.high
    assert 0.82 <= covered / 120 <= 0.96


def test_consistency_by_hand() -> None:
    found = consistency([(3, 3), (4, 3), (1, 4), (5, 5)])
    assert found is not None
    assert (found.exact, found.within_one, found.difference, found.pairs) == (0.5, 0.75, 1.0, 4)
    assert consistency([]) is None
