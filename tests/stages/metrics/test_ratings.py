"""Ratings as scores: what people said of a system, with an interval over people or over images."""

from __future__ import annotations

from pathlib import Path

import pytest
from rated import invented

from harness.artifact import Ratings
from harness.compare import stats
from harness.errors import StageError
from harness.review import rating_table
from harness.stages.metrics import ratings

THREE = {
    "Ann": {"one": [4, 4, 5], "two": [2, 2, 1], "real": [5, 5, 4]},
    "Bob": {"one": [3, 3, 4], "two": [1, 1, 1], "real": [4, 4, 4]},
    "Eve": {"one": [4, 5, 5], "two": [2, 1, 2], "real": [5, 5, 5]},
}


def artifact(folder: Path, given: rating_table.Ratings) -> Ratings:
    folder.mkdir(exist_ok=True)
    rating_table.write(folder / rating_table.FILE, given)
    return Ratings(folder)


@pytest.fixture
def people(tmp_path: Path) -> Ratings:
    return artifact(tmp_path / "people", invented(THREE))


def test_means_by_hand(people: Ratings) -> None:
    found = ratings.scores(people)
    generated = [v for of in THREE.values() for name in ("one", "two") for v in of[name]]
    assert found.realism == pytest.approx(
        sum(generated) / 18
    )  # everybody rated everything: centring changes nothing
    assert found.scale_texture == found.view_from_above == found.realism
    assert found.below_real == pytest.approx(41 / 9 - found.realism)
    assert (found.flawless, found.trainable) == (1, 1)
    assert found.conditions == {"questions": "q" * 12}
    assert ratings.match(people).class_match == pytest.approx(found.realism)


@pytest.mark.proves("ratings.match", "system")
@pytest.mark.proves("ratings.scores", "system")
def test_another_system_is_another_score(people: Ratings) -> None:
    both = [ratings.scores(people, system=name).realism for name in ("one", "two")]
    assert both[0] - both[1] > 2
    assert ratings.match(people, system="one").class_match == pytest.approx(both[0])
    with pytest.raises(
        StageError, match="no system 'tow' in the ratings, which have one, two; did you mean 'two'"
    ):
        ratings.scores(people, system="tow")


@pytest.mark.proves("ratings.match", "over")
@pytest.mark.proves("ratings.scores", "over")
def test_an_interval_over_raters_is_of_three_clusters_and_over_images_of_as_many_as_there_are(
    people: Ratings,
) -> None:
    for over, n in (("raters", 3), ("images", 6)):
        for items in (ratings.scores(people, over=over).items, ratings.match(people, over=over).items):
            assert items is not None
            for column in items.columns.values():
                assert stats.clustered(column, items.cluster).n == n
            assert len(set(items.item)) == 18


def test_every_value_is_the_mean_of_its_rows(people: Ratings) -> None:
    found = ratings.scores(people)
    assert found.items is not None
    assert set(found.items.columns) == {
        "realism",
        "scale_texture",
        "view_from_above",
        "flawless",
        "trainable",
    }
    for name, column in found.items.columns.items():
        assert getattr(found, name) == pytest.approx(sum(column) / len(column))


def test_two_raters_are_no_sample_of_raters(tmp_path: Path) -> None:
    two = artifact(tmp_path, invented({name: THREE[name] for name in ("Ann", "Bob")}))
    with pytest.raises(StageError, match="2 raters are too few for an interval over raters, which takes 3"):
        ratings.scores(two)
    assert ratings.scores(two, over="images").realism > 2


def test_agreement_is_one_where_all_agree_and_less_where_one_answers_by_lot(tmp_path: Path) -> None:
    same = {"one": [1, 2, 3, 4, 5], "real": [5, 4, 5, 4, 5]}
    lot = {"one": [5, 1, 2, 2, 1], "real": [1, 3, 5, 2, 1]}
    perfect = ratings.agreement(artifact(tmp_path / "a", invented({"Ann": same, "Bob": same})))
    spoilt = ratings.agreement(artifact(tmp_path / "b", invented({"Ann": same, "Bob": same, "Eve": lot})))
    assert perfect.alpha == 1
    assert spoilt.alpha < 0.5
    assert set(spoilt.details["scales"]) == {"realism", "class_match", "scale_texture", "view_from_above"}


@pytest.mark.parametrize("given", [{"Ann": {"one": [1, 2, 3]}}, {n: {"one": [4, 4]} for n in ("Ann", "Bob")}])
def test_agreement_that_cannot_be_measured_is_said(tmp_path: Path, given: dict) -> None:
    with pytest.raises(StageError, match="no agreement to measure"):
        ratings.agreement(artifact(tmp_path, invented(given)))


def test_only_real_images_are_no_system(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no generated image is rated"):
        ratings.scores(artifact(tmp_path, invented({"Ann": {"real": [4, 5]}})))


def test_without_real_images_nothing_is_below_them(tmp_path: Path) -> None:
    found = ratings.scores(artifact(tmp_path, invented({n: {"one": [3, 4]} for n in THREE})))
    assert found.below_real == 0
    assert found.details["real"] == 0
