"""Planted prompts are caught by the check that is meant for them, good ones pass all, and every threshold counts."""

import json

import pytest
from hand_prompts import GOOD, failed, prompt
from jobs import FolderJob

from harness.formats import prompts
from harness.stages.metrics.prompts.table import CHECKS
from harness.stages.systems.prompt_writer.templates import from_templates

GOOD_PROMPTS = [
    prompt(text, label, f"{label}-{i}") for label, texts in GOOD.items() for i, text in enumerate(texts)
]
ROADS = " beside straight roads that are golden and divided near the small village" * 9
LONG = " with rows of very narrow fields beside the straight road near the small village" * 9
WHEAT = "Wheat fields in the plain are divided by ditches. Farmland of circular irrigated fields is green."


def planted(text: str, label: str = "Crop Land", passages=()):
    return prompt(text, label, "planted", passages)


PLANTED = {
    "nothing": (planted("  "), {"present", "class_named", "relevant", "apart", "from_above", "vocabulary"}),
    "markup": (planted("**An aerial view** of <b>farmland</b> with fields of wheat."), {"clean"}),
    "a control character": (planted("An aerial view of farmland\x07 with fields of wheat."), {"clean"}),
    "one word for ever": (
        planted("Aerial fields fields fields fields fields fields fields fields."),
        {"varied"},
    ),
    "an echo": (
        planted("Sure, here is a prompt for a satellite image of farmland with green fields."),
        {"no_echo"},
    ),
    "120 tokens": (planted(f"An aerial view of farmland{LONG}."), {"fits"}),
    "the class after the cut": (
        planted(f"An aerial view{ROADS}, and farmland."),
        {"fits", "class_kept"},
    ),
    "the wrong class": (
        planted("A satellite image of a glacier with snow and ice.", "Crop Land"),
        {"class_named", "relevant", "apart"},
    ),
    "the wrong class in spite of its word": (
        planted("A satellite image of snow, ice and frozen glaciers behind a farm."),
        {"apart"},
    ),
    "no view": (planted("Farmland with rectangular fields of wheat."), {"from_above"}),
    "ground-level view": (
        planted("A satellite image of farmland with a farmer standing in fields of wheat, close-up."),
        {"not_from_ground"},
    ),
    "a pumpkin field": (planted("A satellite image of a pumpkin field."), {"unambiguous"}),
    "a crane": (planted("An aerial view of a crane over fields of wheat."), {"unambiguous"}),
    "what is forbidden": (planted("A blurry aerial view of farmland with fields of wheat."), {"consistent"}),
    "nothing of its passages": (
        planted("An aerial view of fields with terraced gardens and lemon orchards.", passages=[WHEAT]),
        {"supported"},
    ),
    "a copy": (planted("a satellite image of CROP LAND, divided into rectangular fields of green and gold"),
               {"unrepeated"}),
    "a copy of another class": (
        planted("Bare ground and gravel seen from above, with scattered dark rocks.", "Natural Vegetation"),
        {"class_named", "relevant", "apart", "class_specific"},
    ),
}  # fmt: skip


def test_good_prompts_pass_all(check):
    scores = check(GOOD_PROMPTS, negative=("wrapped", "repeating", "blurry", "deformed", "low-quality"))
    assert len(GOOD_PROMPTS) == 21
    assert {row["check"]: row["failed"] for row in scores.details["checks"]} == dict.fromkeys(
        (c.name for c in CHECKS), 0
    ), json.dumps(scores.details["failing"], indent=1)
    assert scores.passed == 1


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_prompt_is_caught_by_the_check_that_is_meant_for_it(check, what):
    bad, caught_by = PLANTED[what]
    scores = check([*GOOD_PROMPTS, bad], negative=("wrapped", "blurry", "low-quality"))
    assert failed(scores, "planted") == caught_by
    assert scores.passed == pytest.approx(20 / 22 if "another class" in what else 21 / 22)


def test_the_curated_templates_pass_what_words_alone_decide(check, tmp_path):
    """How near they are to their classes is up to the embedder, which here has read a page."""
    made = from_templates(classes=tuple(GOOD), per_class=6, job=FolderJob(tmp_path / "templates"))
    scores = check(prompts.read(made), negative=("wrapped", "repeating", "blurry", "deformed", "low-quality"))
    assert len(scores.items.item) == 42
    failing = {name: rows for name, rows in scores.details["failing"].items() if rows}
    assert failing.keys() <= {"relevant", "apart"}, json.dumps(failing, indent=1)
