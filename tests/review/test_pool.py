"""What there is to rate: what generators made, and the real images that belong beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from painted import GALLERY, ran

from harness.errors import UsageError
from harness.formats.image_folder import Row
from harness.review import CLASS_MATCH, making, scales
from harness.review.choosing import Picture, System, asked_for, pool
from harness.review.making import Wish
from harness.store.artifacts import Store
from harness.store.record import Run

PAIRS = (
    GALLERY.replace("metrics:\n", "  near: {use: toy_images.closest, images: images, real: seen}\nmetrics:\n")
    + "  copies: {use: toy_images.copies, pairs: near}\n"
)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Store]:
    return ran(tmp_path_factory.mktemp("gallery"), PAIRS)


def origins(pictures: list[Picture]) -> set[str]:
    return {p.system.stage for p in pictures}


def test_real_images_are_those_that_the_prompts_are_from(gallery: tuple[Run, Store]) -> None:
    found = pool(*gallery, (), None)
    assert set(found.systems) == {"images"}
    assert len(found.systems["images"]) == 9
    assert origins(list(found.controls)) == {"real"}
    assert found.asked == "class"
    assert asked_for(found.systems["images"][0], found.asked) in ("Water Body", "Bare Land", "Crop Land")


def test_others_are_taken_where_they_are_named_and_made_ones_are_no_real_ones(
    gallery: tuple[Run, Store],
) -> None:
    assert origins(list(pool(*gallery, (), "seen").controls)) == {"seen"}
    with pytest.raises(UsageError, match="near: no real images of the run"):
        pool(*gallery, (), "near")
    with pytest.raises(UsageError, match="seen: no generated images of the run"):
        pool(*gallery, ("seen",), None)


def test_images_have_one_name_in_every_review_of_the_run(gallery: tuple[Run, Store]) -> None:
    names = [p.name for p in pool(*gallery, (), None).systems["images"]]
    assert len(set(names)) == 9
    assert names == [p.name for p in pool(*gallery, ("images",), None).systems["images"]]


@pytest.mark.parametrize(
    ("label", "captions", "asked", "words"),
    [
        ("Lake", ("a lake", "water"), "class", "Lake"),
        (None, ("a lake", "water"), "sentence", "a lake"),
        (None, (), "", ""),
    ],
)
def test_people_are_asked_by_class_else_by_sentence_else_not_at_all(
    label: str | None, captions: tuple[str, ...], asked: str, words: str
) -> None:
    picture = Picture(System("images", "images", {}), {}, Row("0.png", Path("0.png"), label, captions, {}))
    assert asked_for(picture, asked) == words
    assert (CLASS_MATCH in {s.name for s in scales(asked)}) == bool(asked)


def test_a_page_that_the_store_can_no_longer_make_is_not_replaced_by_another(tmp_path: Path) -> None:
    run, store = ran(tmp_path, GALLERY)
    made = making.make(run, store, Wish(count=10), None)
    changed = replace(made.key, page="0" * 16)
    with pytest.raises(UsageError, match="has not the images that its review was made from"):
        making.make(run, store, Wish(count=10), changed)
