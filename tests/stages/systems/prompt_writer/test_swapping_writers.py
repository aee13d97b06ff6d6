"""Another writer is one changed line of a suite, and every check says what that does to it."""

import pytest
from hand_prompts import TOKENIZER, land_texts
from scripted_language_model import scripted_model
from toy_suites import changed, write_suite

from harness.stages.metrics.prompts.table import CHECKS

CHECK_NAMES = [check.name for check in CHECKS]
SUITE = f"""\
suite: toy/writers
about: Templates, and a language model that a test has taught its lines.
subject: [written]

stages:
  land:      {{use: corpus.read, source: "path:../land"}}
  embedder:  {{use: embeddings.local, corpus: land, dimensions: 12}}
  words:     {{use: text_to_image.load_tokenizer, source: "path:{TOKENIZER}"}}
  index:     {{use: prompt_writer.index, corpus: land, embedder: embedder}}
  model:     {{use: language_model.load, source: "path:../model"}}
  templates: {{use: prompt_writer.from_templates, classes: [Crop Land, Water Body], per_class: 4}}
  grounded:
    use: prompt_writer.write
    index: index
    embedder: embedder
    model: model
    style: complete
    classes: [Crop Land, Water Body]
    per_class: 4
  written:   {{use: prompt_writer.select, prompts: templates, counts: 4}}

metrics:
  checks:  {{use: prompts.checks, prompts: written, embedder: embedder, tokenizer: words}}
  # Looked at whoever writes, so that no line but one changes.
  control: {{use: prompts.variety, prompts: templates, embedder: embedder}}
  variety: {{use: prompts.variety, prompts: grounded, embedder: embedder}}

seeds:
  templates.seed: [0, 1, 2]
  grounded.seed:  [0, 1, 2]

gate:
{"".join(f"  checks.{name}: 0.05{chr(10)}" for name in CHECK_NAMES)}"""
SAID = {
    "land": {"with": 1.0},
    "body": {"with": 1.0},
    "with": {"pumpkin": 0.5, "pumpkins": 0.5},
    "pumpkin": {"rows": 0.5, "juice": 0.5},
    "pumpkins": {"here": 0.5, "everywhere": 0.5},
    **{word: {"close-up": 1.0} for word in ("rows", "juice", "here", "everywhere")},
}


@pytest.fixture
def accepted(project):
    """A project in which templates are the accepted writer."""
    (project.folder / "land").mkdir()
    for number, (_, text) in enumerate(land_texts()):
        (project.folder / "land" / f"{number:03d}.txt").write_text(" ".join(text.split()))
    scripted_model(project.folder / "model", SAID)
    write_suite(project.folder, SUITE)
    assert project.harness("run", "suites/suite.yaml").code == 4
    project.accept("toy/writers")
    return project


def verdicts(run):
    return {f["field"]: f["verdict"] for f in run["comparison"]["findings"] if f["gated"]}


def test_the_language_model_for_the_templates_is_one_line_and_a_verdict_on_every_check(accepted):
    assert set(verdicts(accepted.latest).values()) == {None}, "no baseline yet"
    swapped = (
        "written:   {use: prompt_writer.select, prompts: templates",
        "written:   {use: prompt_writer.select, prompts: grounded",
    )
    write_suite(accepted.folder, changed(swapped, text=SUITE))
    said = accepted.harness("run", "suites/suite.yaml")
    assert said.code in (0, 6), said.out + said.err
    found = verdicts(accepted.latest)
    assert set(found) == set(CHECK_NAMES)
    # A few classes are a few independent repeats, and of so many gates each has to be very sure: what moved is seen
    # in the figures, and no verdict denies it.
    gated = [f for f in accepted.latest["comparison"]["findings"] if f["gated"]]
    moved = {
        f["field"]: f["estimate"]["change"] for f in gated if abs(f["estimate"]["change"]) >= f["margin"]
    }
    assert {name: "improved" if change > 0 else "regressed" for name, change in moved.items()} == {
        "close": "improved",
        "not_from_ground": "regressed",
        "unambiguous": "regressed",
        "unrepeated": "regressed",
    }
    assert {found[name] for name in moved} <= {"improved", "regressed", "inconclusive"}
    assert "checks.unambiguous" in said.out
    states = accepted.states()
    assert states["grounded"] == states["variety"] == {"cached"}
    assert states["checks"] == {"executed"}

    write_suite(accepted.folder, SUITE)
    again = accepted.harness("run", "suites/suite.yaml", "--set", "written.prompts=grounded")
    assert again.code == said.code
    assert verdicts(accepted.latest) == found
    assert accepted.states()["checks"] == {"cached"}
