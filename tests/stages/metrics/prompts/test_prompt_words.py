"""Words and phrases: found whatever their case, plural and spelling, and not inside of other words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stages.metrics.prompts.words import (
    content,
    found,
    listed,
    pattern,
    sent,
    shingles,
    singular,
    words,
)


@pytest.mark.parametrize(
    ("plural", "word"),
    [
        ("beaches", "beach"),
        ("marshes", "marsh"),
        ("rivers", "river"),
        ("houses", "house"),
        ("estuaries", "estuary"),
        ("grass", "grass"),
        ("delta's", "delta"),
        ("bus", "bus"),
        ("ice", "ice"),
    ],
)
def test_plurals_are_folded(plural, word):
    assert singular(plural) == singular(word) == word


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("storagetanks", "two Storage Tanks by a road"),
        ("close-up", "a close up of wheat"),
        ("bird's eye", "a bird's-eye view"),
        ("bird's eye", "a bird’s eye view"),
        ("estuary", "wide estuaries"),
        ("Crop Land", "green cropland"),
    ],
)
def test_phrases_are_found_however_they_are_spelt(phrase, text):
    assert found(pattern([phrase]), text)


@pytest.mark.parametrize(
    ("phrase", "text"), [("ice", "rice fields"), ("sea", "a seaside"), ("sky", "skyscraper")]
)
def test_phrases_are_not_found_inside_of_words(phrase, text):
    assert found(pattern([phrase]), text) == []


@pytest.mark.parametrize("phrases", [[], [""], [" - "]])
def test_no_phrase_finds_nothing(phrases):
    assert found(pattern(phrases), "a lake, a - b") == []


def test_the_longest_phrase_counts_and_each_once():
    assert found(pattern(["ice", "ice sheet"]), "An Ice Sheet beside ice, and an ice sheet") == [
        "ice sheet",
        "ice",
    ]


def test_content_leaves_out_what_says_how_things_lie():
    assert content("There are many green trees around the lakes.") == ["green", "tree", "lake"]


def test_cues_follow_as_the_pipeline_puts_them():
    assert sent("A lake. ", ("aerial", "sharp")) == "A lake, aerial, sharp"
    assert sent("A lake.", ()) == "A lake."


def test_phrases_are_listed_between_commas():
    assert listed("bare\n  soil, sand") == ("bare soil", "sand")


@given(
    st.lists(st.sampled_from(["lake", "Forest", "sea", "ICE"]), max_size=6),
    st.sampled_from([" ", ", ", "\n"]),
)
def test_marks_and_case_are_nothing_to_pairs_of_words(spoken, between):
    assert shingles(between.join(spoken)) == shingles(" ".join(spoken).lower())
    assert len(shingles(" ".join(spoken))) <= max(1, len(spoken))
    assert words(between.join(spoken)) == [word.lower() for word in spoken]
