"""Prompts that say the same: exact and near, within a class and across classes."""

import re

import pytest
from hand_prompts import prompt
from hypothesis import given
from hypothesis import strategies as st

from harness.stages.metrics.prompts.content import naming, patterns
from harness.stages.metrics.prompts.measuring import twins
from harness.stages.metrics.prompts.words import shingles

pytestmark = pytest.mark.numeric

NAMED = patterns(naming(["Crop Land", "Water Body"], {}))
LAKE = "a lake with a long and narrow shore in a green valley"


def test_of_copies_the_first_is_none():
    copies = [prompt(text, name=f"p{i}") for i, text in enumerate([LAKE, "a road", LAKE.upper(), f"{LAKE}!"])]
    within, across = twins(copies, NAMED)
    assert across == {}
    assert {name: (twin.name, twin.likeness) for name, twin in within.items()} == {
        "p2": ("p0", 1),
        "p3": ("p0", 1),
    }


def test_likeness_is_the_share_of_common_pairs_of_words():
    within, _ = twins([prompt("a b c d", name="x"), prompt("a b c e", name="y")], NAMED)
    assert within["y"].likeness == 2 / 4  # ab bc of ab bc cd ce


def test_the_same_text_in_two_classes_is_found_from_both_sides():
    both = [prompt(LAKE, "Crop Land", "crop"), prompt(LAKE, "Water Body", "water")]
    within, across = twins(both, NAMED)
    assert within == {}
    assert (across["crop"].name, across["water"].name) == ("water", "crop")


def test_templates_that_differ_in_the_class_alone_are_of_their_class():
    text = "a satellite image of {} in a wide and green valley with a long road"
    both = [
        prompt(text.format("a lake"), "Water Body", "water"),
        prompt(text.format("farmland"), "Crop Land", "crop"),
    ]
    assert twins(both, NAMED) == ({}, {})
    _, across = twins([both[0], prompt(text.format("a house"), "Crop Land", "crop")], {
        "Water Body": re.compile("(?!)"), "Crop Land": re.compile("(?!)")})  # fmt: skip
    assert across["crop"].likeness == pytest.approx(13 / 17)


WORDS = st.lists(st.sampled_from(["lake", "road", "wood", "sea"]), max_size=5).map(" ".join)


@given(st.lists(st.tuples(WORDS, st.sampled_from(["Crop Land", "Water Body"])), min_size=1, max_size=7))
def test_it_is_the_likest_of_all_by_counting(made):
    prompts = [prompt(text, label, f"p{i}") for i, (text, label) in enumerate(made)]
    within, _ = twins(prompts, NAMED)
    for i, one in enumerate(prompts):
        before = [_jaccard(one.text, other.text) for other in prompts[:i] if other.label == one.label]
        best = max(before, default=0)
        assert (within[one.name].likeness if one.name in within else 0) == pytest.approx(best)


def _jaccard(a, b):
    first, second = shingles(a), shingles(b)
    return len(first & second) / len(first | second) if first | second else 0
