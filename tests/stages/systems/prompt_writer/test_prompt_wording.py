"""What is asked: the class and the passages in their places, and nothing else in braces."""

import pytest

from harness.stages.systems.prompt_writer.drafting import COMPLETE, INSTRUCT, Instruction, Phrase, spoken
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
