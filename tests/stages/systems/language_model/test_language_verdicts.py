"""A language model to its verdicts on the command line: the stages of the smoke suite, and less of everything."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from command_line import Project
from tiny_language_model import SENTENCES
from toy_suites import write_suite

pytestmark = pytest.mark.numeric

SUITE = """\
suite: test/language-model
about: A small Phi learns a few sentences by adapters on four-bit weights.
subject: [tuned]

stages:
  texts:  {use: corpus.read, source: path:../texts}
  chunks: {use: corpus.chunk, corpus: texts, characters: 100}
  parts:  {use: corpus.split, corpus: chunks, held_out: 0.3, by: document, seed: 1}
  base:   {use: language_model.build, corpus: parts.train, architecture: tiny-phi, vocabulary: 300, context: 64}
  tuned:
    use: language_model.finetune
    model: base
    data: parts.train
    method: qlora
    targets: [q_proj, k_proj, v_proj, dense, fc1, fc2, lm_head]
    context: 64
    batching: pack
    epochs: 9
    max_steps: 24
    batch_size: 4
    lr: 1e-2
  after:
    use: language_model.likelihood
    model: tuned
    base: base
    text: parts.held_out
    context: 64
    stride: 64
    unit: row

metrics:
  perplexity: {use: perplexity.scores, likelihoods: after}
seeds:
  tuned.seed: [0, 1, 2]
gate:
  perplexity.nll: 0.05
"""


def write_texts(folder: Path) -> None:
    """Sixteen documents of the same sentences, each in an order of its own."""
    folder.mkdir()
    for number in range(16):
        sentences = random.Random(number).sample(SENTENCES, len(SENTENCES))
        (folder / f"{number:02}.txt").write_text(" ".join(sentences))


def finding(project: Project) -> dict[str, Any]:
    [found] = [f for f in project.latest["comparison"]["findings"] if f["gated"]]
    assert isinstance(found, dict)
    return found


@pytest.mark.slow
def test_fewer_steps_end_regressed_and_another_stride_incomparable(project: Project) -> None:
    write_texts(project.folder / "texts")
    suite = write_suite(project.folder, SUITE)
    first = project.harness("run", suite)
    assert first.code == 4, first.err
    assert "no baseline" in first.out
    project.accept("test/language-model")

    again = project.harness("run", suite)
    assert again.code == 0, again.out
    assert finding(project)["verdict"] == "unchanged"
    assert project.states()["tuned"] == {"cached"}

    fewer = project.harness("run", suite, "--set", "tuned.max_steps=6")
    assert fewer.code == 6, fewer.out
    worse = finding(project)
    assert (worse["verdict"], worse["claim"]["text"]) == ("regressed", "the recipe of `tuned`")
    assert worse["estimate"]["unit"] == "seeds"
    assert worse["estimate"]["low"] > 0.05
    assert project.states()["base"] == {"cached"}

    shorter = project.harness("run", suite, "--set", "after.stride=32")
    assert shorter.code == 4, shorter.out
    other = finding(project)
    assert other["verdict"] == "incomparable"
    assert [(d["field"], d["baseline"], d["candidate"]) for d in other["differences"]] == [
        ("after.stride", 64, 32)
    ]
    assert project.states()["tuned"] == {"cached"}
