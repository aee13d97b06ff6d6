"""From answers to prompts: what people see language models put around a sentence is gone, the sentence stays."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stages.systems.prompt_writer.drafting import Answer, continued, instructed, one_line, words
from harness.stages.systems.prompt_writer.wording import INSTRUCT

TOLD = INSTRUCT.sentences("Crop Land")
PROMPT = "A satellite image of crop land, green parcels"


@pytest.mark.parametrize(
    "answer",
    [
        PROMPT,
        f"\n\n  {PROMPT}\n",
        f'"{PROMPT}"',
        f"“{PROMPT}”",
        f"1. {PROMPT}\n2. Another one",
        f"- {PROMPT}",
        f"• {PROMPT}",
        f"(a) {PROMPT}",
        f"## {PROMPT}",
        f"**Prompt:** {PROMPT}",
        f'1. **Prompt 1:** "{PROMPT}"',
        f"Sure! Here is a prompt for crop land:\n\n{PROMPT}",
        f"Sure, here's one: {PROMPT}",
        f"Here is a prompt\n{PROMPT}",
        f"A prompt in one sentence:\n{PROMPT}",
        f"```\n{PROMPT}\n```",
        f"<p>{PROMPT}</p>",
        f"<|assistant|>{PROMPT}<|end|>",
        f"{PROMPT}\x00\x1b\u200b\ufeff",
        "A satellite\x07image of\tcrop land, green parcels",
        f"{TOLD[-1]}\n{PROMPT}",
        f"{TOLD[2]} {PROMPT}",
        f"{PROMPT}\n{TOLD[-1]}",
        f"{PROMPT},",
    ],
)
def test_one_prompt_is_found_in_what_stands_around_it(answer):
    assert instructed(answer, TOLD) == Answer(PROMPT, "")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Rows of wheat. The sky is blue.", "Rows of wheat."),
        ("Fields, e.g. wheat, in approx. 10 m rows. No trees.", "Fields, e.g. wheat, in approx. 10 m rows."),
        ("“Aerial view.” It shows", "Aerial view."),
        ("“Dry” and “wet” fields", "“Dry” and “wet” fields"),
        ("麦田。树木。", "麦田。"),
        ("pumpkin pumpkin pumpkin", "pumpkin pumpkin pumpkin"),
        ("NDVI < 0.2 and > 0.1 in crop land", "NDVI < 0.2 and > 0.1 in crop land"),
        ("3.5 km of crop land", "3.5 km of crop land"),
    ],
)
def test_the_first_sentence_is_taken_as_it_is(answer, text):
    assert instructed(answer, TOLD) == Answer(text, "")


@pytest.mark.parametrize(
    "answer", ["", " \n ", "...", "- - -", "<b></b>", "\x00", "Sure! Here is a prompt:", '""']
)
def test_an_answer_without_words_is_empty(answer):
    assert instructed(answer, TOLD) == Answer("", "empty")


def test_nothing_but_the_instruction_is_an_echo_and_kept_as_text():
    echo = instructed(f"{TOLD[2]} {TOLD[3]}\n{TOLD[4]}", TOLD)
    assert echo == Answer("Write one prompt for a satellite image of crop land.", "echo")
    assert instructed("Write one prompt for a picture", TOLD).problem == "echo"
    assert instructed("A satellite image of crop land", TOLD).problem == ""


BEGINNING = "A satellite image of crop land"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (" with rows\nof trees. It has", f"{BEGINNING} with rows of trees."),
        (", green parcels,", f"{BEGINNING}, green parcels"),
        (" in May\n\nSnow is bright.", f"{BEGINNING} in May"),
        (" <b>and</b> roads\x07", f"{BEGINNING} and roads"),
    ],
)
def test_a_continuation_ends_with_its_sentence_or_paragraph(answer, text):
    assert continued(BEGINNING, answer) == Answer(text, "")


@pytest.mark.parametrize("answer", ["", ".", "\n\nSnow is bright.", " — ", "\x00", "<br>"])
def test_a_beginning_alone_is_no_prompt(answer):
    assert continued(BEGINNING, answer) == Answer("", "empty")


@given(st.text())
def test_a_line_is_composed_has_no_control_characters_and_single_spaces(text):
    line = one_line(text)
    assert not any(unicodedata.category(c) == "Cc" for c in line)
    assert line == " ".join(line.split())
    assert unicodedata.is_normalized("NFC", line)


@given(st.text())
def test_a_prompt_has_words_and_one_line_or_it_is_empty(answer):
    found = instructed(answer, ())
    assert (found.problem == "empty") == (found.text == "") == (words(found.text) == "")
    assert "\n" not in found.text
