"""Which images people see: as many of each system and class, real ones among them, some twice and far apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.formats.image_folder import Row
from harness.review.choosing import REAL, Picture, Pool, Showing, System, choose

CLASSES = ("Bare Land", "Crop Land", "Water Body")


def pool(systems: int, each: int = 60, real: int = 30) -> Pool:
    return Pool(
        {
            f"images (steps={i})": pictures(
                System(f"images (steps={i})", "images", {"images.steps": i}), each
            )
            for i in range(systems)
        },
        pictures(System(REAL, "scenes", {}, control=True), real),
        "class",
    )


def pictures(system: System, count: int) -> list[Picture]:
    rows = [Row(f"{i}.png", Path(f"{i}.png"), CLASSES[i % 3], (), {}) for i in range(count)]
    return [Picture(system, {}, row) for row in rows]


def first(order: list[Showing]) -> list[Picture]:
    return [s.picture for s in order if not s.again]


def per_system(order: list[Showing]) -> Counter[str]:
    return Counter(p.system.name for p in first(order))


@given(st.integers(1, 8), st.integers(20, 60), st.integers(0, 99))
def test_every_choice_is_balanced_and_mixed(systems: int, count: int, seed: int) -> None:
    order = choose(pool(systems), count, seed)
    shown = first(order)
    assert len({p.name for p in shown}) == len(shown) == count
    counts = per_system(order)
    real = counts.pop(REAL)
    assert real == round(count / 5)
    assert len(counts) == systems
    assert max(counts.values()) - min(counts.values()) <= 1
    for name in counts:
        classes = Counter(p.row.label for p in shown if p.system.name == name)
        assert max(classes.values()) - min(classes[c] for c in CLASSES) <= 1


@given(st.integers(20, 60), st.integers(0, 99))
def test_a_tenth_comes_again_and_far_from_the_first_time(count: int, seed: int) -> None:
    order = choose(pool(3), count, seed)
    places = {s.picture.name: i for i, s in enumerate(order) if not s.again}
    gaps = [i - places[s.picture.name] for i, s in enumerate(order) if s.again]
    assert len(gaps) == -(-count // 10)
    assert min(gaps) >= count // 3


def test_the_seed_decides_and_nothing_else() -> None:
    assert choose(pool(3), 30, 4) == choose(pool(3), 30, 4)
    assert choose(pool(3), 30, 4) != choose(pool(3), 30, 5)


def test_real_images_stand_anywhere_in_the_order() -> None:
    places = [
        i / 33
        for seed in range(40)
        for i, s in enumerate(choose(pool(2), 30, seed))
        if s.picture.system.control
    ]
    assert 0.45 < sum(places) / len(places) < 0.55


def test_a_run_without_real_images_has_a_review_without_them() -> None:
    assert per_system(choose(pool(2, real=0), 20, 0)) == {"images (steps=0)": 10, "images (steps=1)": 10}


@pytest.mark.parametrize(
    ("systems", "count", "says"),
    [
        (15, 12, "15 systems and 2 real images need 17 at least"),
        (1, 3, "need 6 at least"),
        (1, 110, "the run has 82 images to rate"),
    ],
)
def test_a_count_that_cannot_be_is_refused(systems: int, count: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        choose(pool(systems), count, 0)
