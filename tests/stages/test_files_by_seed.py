"""Stages that read what other tools made: the seed chooses the file, and draws nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Project
from toy_suites import write_suite

from harness.engine import suite_sources
from harness.engine.plan import make
from harness.store.artifacts import Store
from harness.suite import load

PATTERN = """\
suite: own
about: One source for each repeat.
subject: [own]
stages:
  own: {{use: {use}, source: "path:../out/{{seed}}"{more}}}
  {after}
metrics:
  m: {metric}
seeds:
  own.seed: [4, 7]
"""
STAGES = {
    "predictions.read": ("", "", "{use: classification.accuracies, predictions: own}"),
    "likelihoods.read": ("", "", "{use: perplexity.scores, likelihoods: own}"),
    "features.read": (", extractor: mine", "", "{use: toy_classes.spread, features: own}"),
    "prompt_writer.from_file": (
        "",
        "words: {use: embeddings.local, corpus: texts}\n  texts: {use: corpus.read, source: 'path:../out/4'}",
        "{use: prompts.variety, prompts: own, embedder: words}",
    ),
    "text_to_image.folder": (
        "",
        "colours: {use: toy_classes.describe, images: pictures}\n"
        "  pictures: {use: folders.relabel, images: own}",
        "{use: toy_classes.spread, features: colours}",
    ),
}


def text_of(stage: str) -> str:
    more, after, metric = STAGES[stage]
    return PATTERN.format(use=stage, more=more, after=after, metric=metric)


@pytest.mark.proves("likelihoods.read", "seed")
@pytest.mark.proves("features.read", "seed")
@pytest.mark.proves("prompt_writer.from_file", "seed")
@pytest.mark.proves("text_to_image.folder", "seed")
@pytest.mark.parametrize("stage", STAGES)
def test_the_seed_chooses_the_file(tmp_path: Path, stage: str) -> None:
    for seed in (4, 7):
        (tmp_path / "out" / str(seed)).mkdir(parents=True)
        (tmp_path / "out" / str(seed) / "a.csv").write_text(f"{seed}\n")
    suite = load(write_suite(tmp_path, text_of(stage)))
    resolved, _ = suite_sources.resolve(suite, mirror=None, store=Store(tmp_path / "store"), download=False)
    own = [task for task in make(resolved).tasks.values() if task.node == "own"]
    assert [task.parameters["source"].path.name for task in own] == ["4", "7"]
    assert len({task.key for task in own}) == 2
    assert all(task.stage.draws(task.parameters) for task in own)


@pytest.mark.parametrize("stage", STAGES)
def test_a_swept_seed_that_chooses_nothing_is_refused(project: Project, stage: str) -> None:
    write_suite(project.folder, text_of(stage).replace("{seed}", "4"), "own.yaml")
    said = project.harness("plan", "own")
    assert said.code == 2
    assert (
        "own.seed is swept and has no effect, for all seeds would read the same: put {seed} into"
        in said.error
    )
    assert ("seed_column" in said.error) == (stage in ("predictions.read", "likelihoods.read"))
