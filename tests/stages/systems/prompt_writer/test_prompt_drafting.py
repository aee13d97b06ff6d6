"""What a model is asked, and prompts of its answers: what it put around a sentence is gone, missing ones come again."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stages.systems.prompt_writer.drafting import (
    COMPLETE,
    INSTRUCT,
    Answer,
    Draft,
    Instruction,
    Phrase,
    Place,
    Turn,
    continued,
    drafts,
    instructed,
    one_line,
    spoken,
    words,
)
from harness.suite.typed import to_json


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("Crop Land", "crop land"),
        ("crop_land", "crop land"),
        ("AnnualCrop", "annual crop"),
        ("Snow  Ice", "snow ice"),
        ("Forêt", "forêt"),
    ],
)
def test_a_class_is_spoken_as_words(label, text):
    assert spoken(label) == text


def test_the_class_and_the_passages_come_to_their_places():
    told = Instruction.from_text("Notes:\n{passages}\nDraw {class}.\n")
    assert (
        told.of("Crop Land", ["Wheat is {class}.", "Rice."])
        == "Notes:\nWheat is {class}.\n\nRice.\nDraw crop land."
    )
    assert Phrase.from_text("fields of {class}, {class}").of("Snow Ice") == "fields of snow ice, snow ice"
    assert to_json(told) == told.text


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Phrase, "a satellite image", "has no {class}"),
        (Phrase, "an image of {clas}", "{clas}: only {class} can stand in braces here; did you mean 'class'"),
        (Phrase, "{class} {passages}", "{passages}: only {class}"),
        (Instruction, "draw {class}", "has no {passages}"),
        (Instruction, "{passages}", "has no {class}"),
        (Instruction, "{passages} {class} {}", "{}: only {class} and {passages}"),
    ],
)
def test_a_text_without_its_places_or_with_others_is_refused(kind, text, message):
    with pytest.raises(ValueError, match=message.replace("{", r"\{").replace("}", r"\}")):
        kind.from_text(text)


def test_the_harness_own_instructions_are_such_texts():
    assert Instruction.from_text(INSTRUCT.text) == INSTRUCT
    assert Instruction.from_text(COMPLETE.text) == COMPLETE
    assert COMPLETE.last_line.of("Crop Land") == "A satellite image of crop land"
    assert len(INSTRUCT.sentences("Crop Land")) == 6


@pytest.mark.parametrize("text", ["{class}\n{passages}", "{passages}\n{class}\nGo on"])
def test_a_last_line_that_cannot_begin_a_prompt_is_refused(text):
    with pytest.raises(ValueError, match="class"):
        Instruction.from_text(text).last_line  # noqa: B018


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


EMPTY, ECHO = Answer("", "empty"), Answer("Write one prompt", "echo")
CROPS = [Place("Crop Land", i) for i in range(3)]


def asked(script, places, attempts):
    """What is drafted, and which turns were asked for, from a table of what each turn would give."""
    turns: list[Turn] = []

    def ask(wanted):
        turns.extend(wanted)
        return [script[turn.place][turn.attempt] for turn in wanted]

    return drafts(places, attempts, ask), turns


def test_first_answers_are_taken_where_they_are_prompts():
    script = {place: [Answer(f"field {i}", "")] for i, place in enumerate(CROPS)}
    found, turns = asked(script, CROPS, 3)
    assert [draft.text for draft in found] == ["field 0", "field 1", "field 2"]
    assert turns == [Turn(place, 0) for place in CROPS]


def test_what_is_no_prompt_or_one_already_is_asked_for_again():
    script = {
        CROPS[0]: [EMPTY, Answer("wheat", "")],
        CROPS[1]: [Answer("Rice!", "")],
        CROPS[2]: [Answer("rice", ""), ECHO, Answer("maize", "")],
    }
    found, turns = asked(script, CROPS, 3)
    assert [(d.text, d.turn.attempt, d.problem) for d in found] == [
        ("wheat", 1, ""),
        ("Rice!", 0, ""),
        ("maize", 2, ""),
    ]
    assert len(turns) == 6


def test_after_all_attempts_the_best_is_kept_with_its_problem():
    script = {
        CROPS[0]: [Answer("rice", "")],
        CROPS[1]: [ECHO, Answer("rice", "")],
        CROPS[2]: [EMPTY, EMPTY],
    }
    found, _ = asked(script, CROPS, 2)
    assert [(d.text, d.problem) for d in found] == [("rice", ""), ("rice", "repeat"), ("", "empty")]


def test_another_class_may_say_the_same():
    places = [Place("Crop Land", 0), Place("Bare Land", 0)]
    found, _ = asked({place: [Answer("dry soil", "")] for place in places}, places, 2)
    assert [draft.problem for draft in found] == ["", ""]


ANSWERS = st.sampled_from([EMPTY, ECHO, *(Answer(text, "") for text in "abc")])


def one_after_the_other(script, places, attempts):
    """The plain way: each place in turn, with all its attempts, before the next."""
    found, taken = [], set()
    for place in places:
        tries = [
            Draft(
                place,
                Turn(place, n),
                a.text,
                a.problem or ("repeat" if (place.label, a.text) in taken else ""),
            )
            for n, a in enumerate(script[place][:attempts])
        ]
        best = min(tries, key=lambda draft: ["", "repeat", "echo", "empty"].index(draft.problem))
        taken.add((place.label, best.text))
        found.append(best)
    return found


@given(
    st.lists(st.tuples(st.sampled_from("XY"), st.lists(ANSWERS, min_size=3, max_size=3)), max_size=7),
    st.integers(1, 3),
)
def test_asking_for_many_at_once_gives_what_asking_one_after_the_other_gives(rows, attempts):
    script = {Place(label, i): answers for i, (label, answers) in enumerate(rows)}
    found, _ = asked(script, list(script), attempts)
    assert found == one_after_the_other(script, list(script), attempts)
    half = list(script)[: len(script) // 2]
    assert asked(script, half, attempts)[0] == found[: len(half)]
