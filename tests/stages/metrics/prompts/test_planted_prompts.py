"""A suite that checks prompts, through the command line: what goes wrong in all prompts is the verdict on its check."""

import json

import pytest
from hand_prompts import GOOD, TOKENIZER, land_texts
from toy_suites import write_suite

from harness.stages.metrics.prompts.table import CHECKS

CHECK_NAMES = [check.name for check in CHECKS]
SUITE = f"""\
suite: hand/prompts
about: Prompts that somebody wrote are held against good ones, check by check.
subject: [written]

stages:
  land:     {{use: corpus.read, source: "path:../land"}}
  embedder: {{use: embeddings.local, corpus: land, dimensions: 12}}
  words:    {{use: text_to_image.load_tokenizer, source: "path:{TOKENIZER}"}}
  written:  {{use: prompt_writer.from_file, source: "path:../prompts.jsonl"}}

metrics:
  checks: {{use: prompts.checks, prompts: written, embedder: embedder, tokenizer: words, negative: [blurry, repeating]}}

gate:
  checks.passed: 0.05
{"".join(f"  checks.{name}: 0.05{chr(10)}" for name in CHECK_NAMES)}"""
GROUNDED = {"supported", "close"}
"""They say nothing of prompts without passages."""
CLASSES = list(GOOD)


def every(change):
    """All good prompts, changed: class → prompts."""
    return {label: [change(text) for text in texts] for label, texts in GOOD.items()}


PLANTED = {
    "markup": (every(lambda text: f"**{text}**"), {"clean"}),
    "an echo of the instruction": (every(lambda text: f"Sure, here is a prompt: {text}"), {"no_echo"}),
    "what the harness itself asks of a model": (
        {label: [f"{text.rstrip('.')}, and it keeps to the notes where they say how." for text in texts]
         for label, texts in GOOD.items()},
        {"no_echo"},
    ),
    "120 tokens": (
        every(lambda text: text.rstrip(".") + ", beside straight roads near the small village" * 9),
        {"fits"},
    ),
    "one word for ever": (every(lambda text: f"{text} {'land ' * 30}"), {"varied", "apart"}),
    "the class before it": (
        dict(zip(CLASSES, [GOOD[CLASSES[-1]], *(GOOD[label] for label in CLASSES[:-1])], strict=True)),
        {"class_named", "relevant", "apart"},
    ),
    "ground-level view": (every(lambda text: f"{text.rstrip('.')}, seen at street level."), {"not_from_ground"}),
    "no view": (
        {label: [f"{label} of many shapes, {n} of them green." for n in ("few", "some", "most")] for label in GOOD},
        {"from_above"},
    ),
    "a pumpkin field": (
        {label: [f"A satellite image of {label.lower()} and a pumpkin.",
                 f"{label} and one large pumpkin seen from above.",
                 f"Aerial view, {label.lower()}: pumpkin harvest."] for label in GOOD},
        {"unambiguous"},
    ),
    "one prompt three times": ({label: [texts[0]] * 3 for label, texts in GOOD.items()}, {"unrepeated"}),
    "one prompt for every class": (
        {label: ["An aerial view of sand, wheat, vines, heath, ice, a lake and trees.",
                 "Desert, farmland, orchard, meadow, glacier, river and forest seen from above.",
                 "A satellite image of gravel, fields, greenhouses, grass, snow, water and woodland."]
         for label in GOOD},
        {"class_specific", "apart"},
    ),
    "what the negative prompt forbids": (every(lambda text: f"Blurry. {text}"), {"consistent"}),
}  # fmt: skip


@pytest.fixture
def accepted(project):
    """A project whose baseline are the good prompts."""
    (project.folder / "land").mkdir()
    for number, (_, text) in enumerate(land_texts()):
        (project.folder / "land" / f"{number:03d}.txt").write_text(" ".join(text.split()))
    write(project, GOOD)
    write_suite(project.folder, SUITE)
    assert project.harness("run", "suites/suite.yaml").code == 4
    project.accept("hand/prompts")
    return project


def write(project, prompts):
    rows = [{"prompt": text, "label": label} for label, texts in prompts.items() for text in texts]
    (project.folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)))


def gated(run):
    return {f["field"]: f for f in run["comparison"]["findings"] if f["gated"]}


def worse(run):
    """The checks that got worse by their margin or more, each beside a verdict that does not deny it.

    Three prompts of each of seven classes are seven independent repeats: of nineteen gates none can be sure then.
    """
    found = {name: f for name, f in gated(run).items() if -f["estimate"]["change"] >= f["margin"]}
    assert {f["verdict"] for f in found.values()} <= {"regressed", "inconclusive"}
    return set(found)


def test_every_planted_fault_ends_as_the_verdict_on_its_check(accepted):
    good = accepted.latest["scores"][0]["repeats"][0]["values"]
    assert {name: good[name] for name in CHECK_NAMES if name not in GROUNDED} == dict.fromkeys(
        set(CHECK_NAMES) - GROUNDED, 1
    )
    caught = {}
    for what, (prompts, _) in PLANTED.items():
        write(accepted, prompts)
        assert accepted.harness("run", "suites/suite.yaml").code in (0, 6), what
        assert set(gated(accepted.latest)) == {*CHECK_NAMES, "passed"}
        caught[what] = worse(accepted.latest) - {"passed"}
        assert "passed" in worse(accepted.latest)
    assert caught == {what: caught_by for what, (_, caught_by) in PLANTED.items()}
