"""What people think of a system: strictness does not move it, and few people or images are not taken for many."""

from __future__ import annotations

import random

import pytest
from rated import invented

from harness.review import rating_table
from harness.review.rating_table import Level, Ratings


def of(ratings: Ratings, system: str) -> dict[tuple[str, str], float]:
    """Centred realism of one system."""
    centred = rating_table.centred(ratings.rated, rating_table.answer("realism"))
    return {(r.rater, r.image): centred[r.rater, r.image] for r in rating_table.of(ratings.rated, system)}


def of_system(ratings: Ratings, system: str) -> Level:
    return rating_table.level(of(ratings, system))


def test_a_strict_rater_who_saw_one_system_more_does_not_pull_it_down() -> None:
    mild = {"ours": [4, 4], "theirs": [4, 4]}
    strict = {"ours": [2, 2, 2, 2], "theirs": [2]}
    ratings = invented({"Ann": mild, "Bob": strict})
    assert of_system(ratings, "ours").mean == of_system(ratings, "theirs").mean == 3.0


def test_a_mean_by_hand_and_its_interval_over_images() -> None:
    found = of_system(invented({"Ann": {"ours": [1, 2, 3, 4, 5]}}), "ours")
    assert found.mean == 3
    assert found.unit == "images"
    assert found.low is not None
    assert found.low == pytest.approx(3 - 2.131847 * (2.5 / 5) ** 0.5)  # t(0.95; 4), sd² = 2.5


def test_raters_who_differ_over_systems_widen_the_interval_and_are_named() -> None:
    one = {"ours": [5, 5, 5, 5], "theirs": [1, 1, 1, 1]}
    other = {"ours": [1, 1, 1, 1], "theirs": [5, 5, 5, 5]}
    found = of_system(invented({"Ann": one, "Bob": other, "Eve": one}), "ours")
    assert found.unit == "raters"
    assert found.raters == 3
    assert (found.low, found.high) == (1.0, 5.0)  # the scale ends there
    assert of_system(invented({"Ann": one, "Bob": other}), "ours").unit == "images"


def test_two_images_have_a_mean_and_no_interval() -> None:
    found = of_system(invented({name: {"ours": [3, 4]} for name in ("Ann", "Bob", "Eve", "Di")}), "ours")
    assert found == Level(3.5, None, None, "", 2, 4)


def test_a_difference_is_paired_over_raters() -> None:
    ratings = invented(
        {
            "Ann": {"real": [5, 4, 5], "ours": [3, 3, 2]},
            "Bob": {"real": [4, 3, 4], "ours": [2, 2, 1]},
            "Eve": {"real": [5, 4, 5], "ours": [3, 3, 2]},
        }
    )
    found = rating_table.difference(of(ratings, "real"), of(ratings, "ours"))
    assert found.mean == pytest.approx(2)
    assert found.unit == "images"
    assert (found.images, found.raters) == (3, 3)


def test_intervals_hold_the_truth_about_nine_times_in_ten() -> None:
    rng, covered, rounds = random.Random(3), 0, 200
    for _ in range(rounds):
        ours = [rng.gauss(3, 0.6) for _ in range(20)]
        values = {
            (f"rater {r}", f"image {i}"): quality + rng.gauss(0, 0.5)
            for r in range(3)
            for i, quality in enumerate(ours)
        }
        found = rating_table.level(values)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 3 <= found.high
    assert 0.86 <= covered / rounds <= 0.98
