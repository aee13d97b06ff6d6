"""Markup, control characters, stutter and echoes: what is found, and what is not."""

import pytest
from hand_prompts import prompt

from harness.stages.metrics.prompts.form import clean, no_echo, varied
from harness.stages.metrics.prompts.words import Context

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
