"""Which metric ranks as people do: ρ against scipy's, and the right row of the right metric for every image."""

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

from harness.cli.baseline_choice import side
from harness.compare.sample import Side
from harness.review.correlation import Correlation, interval, spearman
from harness.review.rating_table import Ratings
from harness.review.summary import summarise


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
