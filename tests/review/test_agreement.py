"""Krippendorff's α against the figures he published, and what it must and must not depend on.

Which metric ranks as people do: ρ against scipy's, and the right row of the right metric for every image.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
from compare.runs import itemised
from hypothesis import assume, given
from hypothesis import strategies as st
from rated import Reviewed, invented, ratings_of, reviewed
from scipy import stats

from harness.compare.sample import Side
from harness.evaluation.baseline_choice import side
from harness.review.agreement import Correlation, Level, alpha, consistency, interval, spearman
from harness.review.rating_table import Ratings
from harness.review.summary import summarise


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


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(-3, 3)), min_size=3, max_size=20))
def test_it_is_scipys_with_ties_and_all(pairs: list[tuple[int, int]]) -> None:
    a, b = zip(*pairs, strict=True)
    assume(len(set(a)) > 1)
    assume(len(set(b)) > 1)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_a_constant_runhas_none() -> None:
    assert spearman([1, 1, 1], [1, 2, 3]) is None


def test_the_interval_by_hand() -> None:
    found = interval(0.5, 30)  # atanh 0.5 = 0.54931; 1.64485 · √(1.125 / 27) = 0.33575
    assert found == (pytest.approx(math.tanh(0.21356), abs=1e-4), pytest.approx(math.tanh(0.88506), abs=1e-4))
    assert interval(0.5, 9) is None
    assert interval(1.0, 30) is None


def test_the_interval_holds_the_truth_about_nine_times_in_ten() -> None:
    rng, covered, rounds = random.Random(4), 0, 300
    pearson = 0.6
    truth = 6 / math.pi * math.asin(pearson / 2)  # of two normal variables
    for _ in range(rounds):
        a = [rng.gauss(0, 1) for _ in range(30)]
        b = [pearson * x + math.sqrt(1 - pearson**2) * rng.gauss(0, 1) for x in a]
        rho = spearman(a, b)
        assert rho is not None
        low, high = interval(rho, 30) or (1, -1)
        covered += low <= truth <= high
    assert 0.86 <= covered / rounds <= 0.95


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Reviewed:
    return reviewed(tmp_path_factory.mktemp("sweep"))


def test_raters_who_see_what_the_metric_measures_rank_the_systems_as_it_does(
    sweep: Reviewed, tmp_path: Path
) -> None:
    order = {("pndm", 10): 1, ("dpmsolver++", 10): 2, ("pndm", 50): 3, ("dpmsolver++", 50): 4}

    def seen(shown, _):
        if shown.control:
            return 5
        return order[shown.point["images.scheduler"], shown.point["images.steps"]]

    ratings = ratings_of(sweep.key, tmp_path, {"Ann": seen})
    summary = summarise(ratings, {"Ann": 1.0}, sweep.key.images, side(sweep.folder))
    found = {(c.metric, c.field): c for c in summary.correlations if c.scale == "realism"}
    assert set(found) == {("like", "distance"), ("like", "coverage"), ("cost", "evaluations")}
    assert found["like", "distance"] == Correlation(
        "like", "distance", "lower", "realism", "systems", 4, pytest.approx(-1), None, None
    )
    assert found["like", "coverage"].rho == pytest.approx(1)


def test_images_are_ranked_by_their_own_rows_of_metrics_that_they_reach(tmp_path: Path) -> None:
    values = {f"{i}.png": v for i, v in enumerate([0.1, 0.4, 0.2, 0.9, 0.3])}
    wired = {
        "stages": {"m": {"inputs": {"x": ["features"]}}, "features": {"inputs": {"images": ["images.out"]}}}
    }
    ratings = invented({"Ann": {"images": [1, 4, 2, 5, 3], "real": [5, 5, 4, 4, 5]}})
    (found,) = [
        c
        for c in _over_images(itemised(tmp_path, [values], declaration=wired), ratings)
        if c.scale == "realism"
    ]
    assert (found.metric, found.field, found.n, found.rho) == ("m", "score", 5, pytest.approx(1))
    for other in ({"stages": {"m": {"inputs": {"x": ["photographs"]}}}}, {"stages": []}, {}):
        assert _over_images(itemised(tmp_path, [values], declaration=other), ratings) == []


def test_the_row_is_that_of_the_images_own_point(tmp_path: Path) -> None:
    up, down = ({f"{i}.png": sign * i / 10 for i in range(4)} for sign in (1, -1))
    wired = {"stages": {"m": {"inputs": {"x": ["images"]}}}}
    run = itemised(tmp_path, [up, down], declaration=wired)
    for k, rho in ((0, 1), (1, -1)):
        ratings = invented({"Ann": {"images": [1, 2, 3, 4]}})
        rated = tuple(replace(r, shown=replace(r.shown, point={"m.k": k})) for r in ratings.rated)
        found = _over_images(run, replace(ratings, rated=rated))
        assert len(found) == 4
        assert [c.rho for c in found] == pytest.approx([rho] * 4)


def _over_images(run: Side, ratings: Ratings) -> list[Correlation]:
    found = summarise(ratings, {"Ann": 1.0}, 5, run).correlations
    return [c for c in found if c.over == "images"]
