"""What does nothing beside other settings is refused before anything runs: above all a seed whose repeats are one.

And what is left to chance on the way from the subject to a metric, and which of it a suite repeats.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_plans import planned
from toy_suites import changed, write_suite

from harness.errors import SuiteError
from harness.store.record import Subject
from harness.suite import load

GREEDY = """\
suite: writing/greedy
subject: [written]
stages:
  described: {use: corpus.docstrings}
  model:     {use: language_model.build, corpus: described, architecture: tiny-phi}
  written:
    use: language_model.generate
    model: model
    prompts: [a lake]
    temperature: 0.0
metrics:
  repeated: {use: repetition.rate, texts: written}
seeds:
  written.seed: [0, 1, 2]
"""
GROUNDED = """\
suite: writing/grounded
subject: [written]
stages:
  described: {use: corpus.docstrings}
  embedder:  {use: embeddings.local, corpus: described}
  index:     {use: prompt_writer.index, corpus: described, embedder: embedder}
  model:     {use: language_model.build, corpus: described, architecture: tiny-phi}
  written:
    {use: prompt_writer.write, index: index, embedder: embedder, model: model, classes: [Water Body], per_class: 5,
     temperature: 0.0, passages: 3, pool: 3}
metrics:
  variety: {use: prompts.variety, prompts: written, embedder: embedder}
seeds:
  written.seed: [0, 1, 2]
"""
WHY = "has no effect, for temperature 0 takes the likeliest token"


def refusal(
    folder: Path, *replacements: tuple[str, str], text: str = GREEDY, set_: tuple[str, ...] = ()
) -> str:
    with pytest.raises(SuiteError) as caught:
        load(write_suite(folder, changed(*replacements, text=text)), set_=set_)
    return str(caught.value)


def test_a_seed_that_is_swept_where_nothing_is_drawn_is_refused_at_its_line(tmp_path: Path) -> None:
    assert refusal(tmp_path).endswith(f"suite.yaml:14: seeds: written.seed is swept and {WHY}")


def test_so_it_is_at_a_single_point_of_the_matrix_and_by_set(tmp_path: Path) -> None:
    swept = ("seeds:", "matrix:\n  written.temperature: [0, 0.7]\nseeds:")
    assert refusal(tmp_path, swept).endswith(f"suite.yaml:16: seeds: written.seed is swept and {WHY}")
    warm = ("temperature: 0.0", "temperature: 0.7")
    assert WHY in refusal(tmp_path, warm, set_=("written.temperature=0",))
    load(write_suite(tmp_path, changed(warm, text=GREEDY)))


def test_a_point_that_is_left_out_does_not_count(tmp_path: Path) -> None:
    kept = ("seeds:", "matrix:\n  written.temperature: [0, 0.7]\nexclude: [{written.temperature: 0}]\nseeds:")
    load(write_suite(tmp_path, changed(kept, text=GREEDY)))


@pytest.mark.parametrize("setting", ["top_p: 0.5", "samples: 2"])
def test_a_setting_of_draws_is_refused_alike_where_it_is_written(tmp_path: Path, setting: str) -> None:
    word = setting.partition(":")[0]
    no_seeds = ("seeds:\n  written.seed: [0, 1, 2]\n", "")
    said = refusal(tmp_path, ("temperature: 0.0", f"temperature: 0.0\n    {setting}"), no_seeds)
    assert said.endswith(f"suite.yaml:11: written.{word}: {word} {WHY}")
    load(write_suite(tmp_path, changed(no_seeds, text=GREEDY)))


def test_a_seed_that_is_not_swept_repeats_nothing_and_passes(tmp_path: Path) -> None:
    load(write_suite(tmp_path, changed(("seeds:\n  written.seed: [0, 1, 2]\n", ""), text=GREEDY)))


def test_a_grounded_writer_still_draws_passages_unless_it_takes_them_all(tmp_path: Path) -> None:
    assert "written.seed is swept and has no effect" in refusal(tmp_path, text=GROUNDED)
    load(write_suite(tmp_path, changed(("pool: 3", "pool: 12"), text=GROUNDED)))


NO_SEEDS = ("seeds:\n  model.seed: [0, 1, 2]\n", "")
BESIDE = [
    ("  model: ", "  others: {use: toy.draw, count: 9}\n  model: "),
    ("data: parts.test}", "data: others}"),
    ("model.seed: [0, 1, 2]", "others.seed: [0, 1, 2]"),
]
BOTH = ("model.seed: [0, 1, 2]", "model.seed: [0, 1, 2]\n  tuned.seed: [4, 5, 6]")
TUNED = [
    ("\nmetrics:", "  tuned: {use: toy.train, data: parts.train, start: model}\n\nmetrics:"),
    ("model: model,", "model: tuned,"),
]


@pytest.mark.parametrize(
    ("replacements", "repeated", "once"),
    [
        ([], ("model",), {}),
        ([("model.seed: [0, 1, 2]", "numbers.seed: [0, 1, 2]")], (), {"model": "model.seed"}),
        ([NO_SEEDS], (), {"model": "model.seed"}),
        (BESIDE, (), {"model": "model.seed"}),
        ([*TUNED], ("model",), {"tuned": "tuned.seed"}),
        ([*TUNED, BOTH], ("model", "tuned"), {}),
        (
            [*TUNED, ("model.seed: [0, 1, 2]", "model.seed: [0, 1, 2]\n  tuned.seed: [4, 4, 4]")],
            ("model",),
            {"tuned": "tuned.seed"},
        ),
        (
            [*TUNED, ("model.seed: [0, 1, 2]", "model.seed: [0, 1]\n  tuned.seed: [4, 5]")],
            ("model", "tuned"),
            {},
        ),
        (
            [*TUNED, ("model.seed: [0, 1, 2]", "tuned.seed: [0, 1, 2]")],
            ("tuned",),
            {"model": "model.seed"},
        ),
        ([NO_SEEDS, ("[model]", "[model.rate]")], (), {"model": "model.seed"}),
        ([NO_SEEDS, ("[model]", "[parts]")], (), {"model": "model.seed"}),
    ],
    ids=[
        "its own seed",
        "a seed before it",
        "no seed",
        "a seed beside it",
        "what comes of what is repeated, with its own seed fixed",
        "both",
        "a seed that never changes beside one that does",
        "two seeds each",
        "a training before what is repeated",
        "a parameter of it",
        "what comes after the subject",
    ],
)
def test_what_is_repeated_and_what_is_run_once_is_said_stage_by_stage(
    tmp_path: Path, replacements: list[tuple[str, str]], repeated: tuple[str, ...], once: dict[str, str]
) -> None:
    subject = planned(tmp_path, *replacements).metrics["fit"].subject
    assert (subject.repeated, dict(subject.once)) == (repeated, once)


def test_a_subject_that_no_seed_decides_is_what_it_is(tmp_path: Path) -> None:
    numbers = (
        "model:   {use: toy.train, data: parts.train, epochs: 5}",
        "model: {use: toy.pool, parts: [parts.train, parts.test]}",
    )
    text = [
        numbers,
        ("fit: {use: toy.measure, model: model, data: parts.test}", "size: {use: toy.size, data: model}"),
        ("matrix:\n  model.loss: [square, absolute]\n  model.rate: [0.1, 0.2]\n", ""),
        NO_SEEDS,
        ("reference: {model.loss: square, model.rate: 0.1}\n", ""),
        ("gate:\n  fit: 0.1\n  fit.within: 5%\n", ""),
    ]
    assert planned(tmp_path, *text).metrics["size"].subject == Subject(fixed="these files")
