"""What is left to chance on the way from the subject to a metric, and which of it a suite repeats."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_plans import planned

from harness.store.record import Subject

NO_SEEDS = ("seeds:\n  model.seed: [0, 1, 2]\n", "")
BESIDE = [
    ("  model: ", "  others: {use: toy.draw, count: 9}\n  model: "),
    ("data: parts.test}", "data: others}"),
    ("model.seed: [0, 1, 2]", "others.seed: [0, 1, 2]"),
]
TUNED = [
    ("\nmetrics:", "  tuned: {use: toy.train, data: parts.train, start: model}\n\nmetrics:"),
    ("model: model,", "model: tuned,"),
]


@pytest.mark.parametrize(
    ("replacements", "repeated", "once"),
    [
        ([], ("model",), {}),
        ([("model.seed: [0, 1, 2]", "numbers.seed: [0, 1, 2]")], ("model",), {}),
        ([NO_SEEDS], (), {"model": "model.seed"}),
        (BESIDE, (), {"model": "model.seed"}),
        ([*TUNED], ("model", "tuned"), {}),
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
        "what comes of what is repeated",
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
