"""Markup, control characters, stutter, echoes and words of two senses: what is found, and what is not."""

from __future__ import annotations

import pytest
from hand_prompts import prompt

from harness.stages.metrics.prompts.language import LARGE, LAYOUT, SENSES, clean, no_echo, unambiguous, varied
from harness.stages.metrics.prompts.words import Context, content, singular

CONTEXT = Context((), (), {}, frozenset(), lambda text: [], 77, {}, {}, {}, {})


@pytest.mark.parametrize(
    "text",
    [
        "<p>A lake</p>",
        "A lake <|endoftext|>",
        "[INST] A lake [/INST]",
        "- a lake",
        "1. A lake",
        "# A lake",
        "a **green** lake",
        "`a lake`",
        "[a lake](lake.png)",
        "a lake, https://example.org/lake",
        "a lake &amp; a wood",
        "a lake of $x^2$ metres",
        "a lake {class}",
        "a lake\nin a wood",
        "a\x00lake",
        "a\u200blake",
        "a lake \ufffd",
        "a lake\u2028",
    ],
)
def test_markup_and_control_characters_are_found(text):
    finding = clean(prompt(text), CONTEXT)
    assert finding.score >= 1
    assert all(finding.evidence)


@pytest.mark.parametrize(
    "text",
    [
        "A lake's shore (north), 3.5 km long: water & sand; 50 % ice - and snow!",
        "An aerial view of “crop land” – wheat / maize, 10 × 10 m",
        "a lake in the Île-de-France",
        "",
    ],
)
def test_punctuation_is_no_markup(text):
    assert clean(prompt(text), CONTEXT).score == 0


@pytest.mark.parametrize(
    "text",
    [
        "Sure, a lake.",
        "Here is a prompt for a lake",
        "Prompt: a lake",
        "Prompt 3: a lake",
        "As an AI language model",
        "Write one prompt for a realistic satellite image of a lake.",
        "Answer with the prompt alone, in one sentence.",
        "Based on the passages, a lake",
        "I cannot say what a lake looks like",
    ],
)
def test_instructions_and_answers_are_echoes(text):
    assert no_echo(prompt(text), CONTEXT).score >= 1


@pytest.mark.parametrize(
    "text", ["Here is a church with three towers.", "A road that leads to a lake, following the river.", ""]
)
def test_descriptions_are_no_echoes(text):
    assert no_echo(prompt(text), CONTEXT).score == 0


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("lake lake lake", 1),
        ("a lake and a lake and a lake and a lake", 1),
        ("a lake and a lake in a green wood", 0.5),
        ("the lake of a lake", 0),  # too short to say
        ("a lake, a wood, a river and a sea", 0.25),
        ("", 0),
    ],
)
def test_the_share_of_the_most_frequent_word(text, share):
    assert varied(prompt(text), CONTEXT).score == share


@pytest.mark.parametrize(
    ("risky", "settled"),
    [
        ("a satellite image of a pumpkin field", "parcels of pumpkins and wheat"),
        ("an aerial view of a crane", "an aerial view of a crane on a construction site"),
        ("the bank from above", "the bank of the river from above"),
        ("an aerial view of a plant", "an aerial view of a power plant"),
        ("a bed seen from above", "a bed of reeds seen from above"),
        ("a satellite image of the mouth", "a satellite image of the mouth of an estuary"),
        ("two tanks", "two storage tanks"),
        ("a large apple", "apple orchards"),
    ],
)
def test_another_word_settles_the_meaning(risky, settled):
    finding = unambiguous(prompt(risky), CONTEXT)
    assert finding.score == 1
    assert "may be drawn as" in finding.evidence[0]
    assert unambiguous(prompt(settled), CONTEXT).score == 0


def test_each_word_is_counted_once():
    assert unambiguous(prompt("a crane, cranes and a pumpkin"), CONTEXT).score == 2


def test_every_word_of_the_list_can_be_found_and_settled():
    """As prompts are read: without plurals, and no stop word. A word does not settle its own meaning."""
    assert len(SENSES) >= 40
    for word, homonym in SENSES.items():
        settling = homonym.settles.split()
        assert content(word) == [word]
        assert [content(other) for other in settling] == [[other] for other in settling]
        assert word not in settling
        assert homonym.meant != homonym.drawn
    assert len(LARGE) >= 40
    assert {singular(word) for word in LARGE | LAYOUT} == LARGE | LAYOUT
    assert not LARGE & LAYOUT
