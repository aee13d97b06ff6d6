"""Each mistake in a suite is one line: the place, the text, what was expected, the nearest right name."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_suites import changed, write_suite

from harness.errors import SuiteError
from harness.suite import Suite, load


def loaded(folder: Path, *replacements: tuple[str, str]) -> Suite:
    return load(write_suite(folder, changed(*replacements)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 5", "epoch: 5", "8: 'model' (toy.train) has no 'epoch'; did you mean 'epochs'?"),
        ("epochs: 5", "epochs: 0", "8: epochs: 0 is not at least 1"),
        (
            "epochs: 5",
            "epochs: 5, loss: sqare",
            "8: loss: 'sqare' is none of square, absolute; did you mean 'square'?",
        ),
        ("epochs: 5", "epochs: 5, epochs: 6", "8: key 'epochs' stands twice (first in line 8)"),
        ("use: toy.train, ", "", "8: stage 'model' has no 'use'"),
        ("use: toy.train", "use: [toy.train]", "8: use: expected module.function, not a list"),
        ("toy.measure", "toy.draw", "11: use: toy.draw returns no scores; it belongs under 'stages'"),
        ("toy.split", "toy.measure", "7: use: toy.measure is a metric; it belongs under 'metrics'"),
        ("  fit: {", "  model: {", "11: 'model' is a stage already (line 8)"),
        (
            "  fit: {",
            "  Fit: {",
            "11: 'Fit' is no name of a metric: small letters, digits and _, a letter first",
        ),
        ("data: parts.train, ", "", "8: 'model' needs 'data': Numbers, an input of toy.train"),
        ("count: 40, ", "", "6: 'numbers' needs 'count': whole number, at least 1, a parameter of toy.draw"),
        ("data: parts.train", "data: part.train", "8: data: no stage 'part'; did you mean 'parts'?"),
        ("data: parts.train", "data: fit", "8: data: 'fit' is a metric; its scores are no input"),
        ("data: parts.train", "data: [numbers]", "8: data: takes one Numbers, not a list"),
        ("data: parts.train", "data: null", "8: data: expected a stage or stage.output, not null"),
        (
            "data: parts.train",
            "data: parts",
            "8: data: 'parts' is no output of toy.split; it has 'parts.train', 'parts.test'",
        ),
        (
            "data: parts.train",
            "data: numbers.x",
            "8: data: 'numbers.x': toy.draw has a single output; write 'numbers'",
        ),
        ("numbers: numbers", "numbers: model", "7: numbers: takes Numbers; 'model' (toy.train) is Model"),
        (
            "  model: ",
            "  unused: {use: toy.draw, count: 3}\n  model: ",
            "8: stage 'unused' reaches no metric",
        ),
        ("model.loss: [square, absolute]", "model.loss: []", "14: model.loss: the list is empty"),
        (
            "model.loss: [square, absolute]",
            "model.loss: square",
            "14: model.loss: expected a list, not 'square'",
        ),
        ("[square, absolute]", "[square, square]", "14: model.loss: 'square' stands twice"),
        ("[0.1, 0.2]", "[0.1, 0.10]", "15: model.rate: '0.10' stands twice"),
        ("model.rate: [", "model.rat: [", "15: 'model.rat': toy.train has no 'rat'; did you mean 'rate'?"),
        (
            "model.rate: [",
            "modle.rate: [",
            "15: 'modle.rate': no stage or metric 'modle'; did you mean 'model'?",
        ),
        ("model.rate: [", "model: [", "15: 'model': expected node.field"),
        ("model.rate: [0.1, 0.2]", "model.seed: [0]", "15: model.seed is a seed; it is swept under 'seeds'"),
        ("model.seed: [0", "model.epochs: [4", "17: model.epochs is no seed; it is swept under 'matrix'"),
        ("[0, 1, 2]", "[0, 1, 1]", "16: seeds: two repeats are the same (model.seed = 1)"),
        (
            "  model.seed: [0, 1, 2]",
            "  model.seed: [0, 1, 2]\n  numbers.seed: [0, 1]",
            "18: numbers.seed has 2 seeds, and model.seed 3: repeat i takes the i-th of each",
        ),
        ("model.rate: 0.1}", "model.rate: 0.3}", "18: reference: '0.3' is no value of the axis model.rate"),
        (
            "model.rate: 0.1}",
            "model.rat: 0.1}",
            "18: reference: the matrix has no 'model.rat'; did you mean 'model.rate'?",
        ),
        (
            "reference: ",
            "exclude: [{model.loss: square}, {model.loss: absolute}]\nreference: ",
            "18: exclude: no point of the matrix is left",
        ),
        ("reference: ", "exclude: [{}]\nreference: ", "18: exclude: expected axis: value, not a mapping"),
        ("reference: ", "exclude: {}\nreference: ", "18: exclude: expected a list of points, not a mapping"),
        (
            "reference: ",
            "exclude: [{model.rate: 3}]\nreference: ",
            "18: exclude: '3' is no value of the axis model.rate (0.1, 0.2)",
        ),
        ("reference: ", "exclude: [{model.rate: 0.1}]\nreference: ", "19: reference: this point is excluded"),
        (
            "subject: [model]",
            "subject: [modle]",
            "3: subject: no stage or metric 'modle'; did you mean 'model'?",
        ),
        (
            "subject: [model]",
            "subject: [model.epoch]",
            "3: 'model.epoch': toy.train has no 'epoch'; did you mean 'epochs'?",
        ),
        ("subject: [model]", "subject: [fit]", "3: subject: 'fit' is a metric; it judges the subject"),
        ("subject: [model]", "subject: []", "3: subject: the list is empty"),
        ("fit: 0.1", "fits: 0.1", "20: gate: no metric 'fits'; did you mean 'fit'?"),
        (
            "fit: 0.1",
            "fit: ten",
            "20: gate fit.error: expected a margin of at least 0, such as 0.002 or 2%, not 'ten'",
        ),
        ("fit: 0.1", "fit: []", "20: gate fit: the list is empty"),
        ("fit: 0.1", "fit: {at: {model.rate: 0.1}}", "20: gate fit.error has no 'margin'"),
        ("fit: 0.1", "fit: [1, 2]", "20: gate fit.error stands twice"),
        ("fit: 0.1", "fit.within: 1", "21: key 'fit.within' stands twice (first in line 20)"),
        (
            "fit: 0.1",
            "fit.bias: 1",
            "20: gate fit (toy.measure): 'bias' does not say which way is better; it can be",
        ),
        (
            "fit: 0.1",
            "fit: {margin: 1, against: referenc}",
            "20: gate fit.error: against is baseline or reference, not 'referenc'; did you mean 'reference'?",
        ),
        ("suite: toy/centre\n", "", "1: the suite has no 'suite'"),
        ("suite: toy/centre", "suite: ../centre", "1: suite: '../centre' is no name"),
        ("suite: toy/centre", "suite: null", "1: suite: expected text, not null"),
        ("gate:", "gates:", "19: a suite has no 'gates'; did you mean 'gate'?"),
        ("matrix:", "about2: x\nmatrix:", "13: a suite has no 'about2'; did you mean 'about'?"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_suite(tmp_path, changed((old, new)))
    with pytest.raises(SuiteError) as refusal:
        load(path)
    first = str(refusal.value).splitlines()[0].removeprefix(f"{path}:")
    assert first.startswith(message)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    path = write_suite(
        tmp_path, changed(("epochs: 5", "epochs: x, rate: 2, los: y"), ("[0, 1, 2]", "[0, -1]"))
    )
    with pytest.raises(SuiteError) as refusal:
        load(path)
    assert str(refusal.value).splitlines() == [
        f"{path}:8: 'model' (toy.train) has no 'los'; did you mean 'loss'?",
        f"{path}:8: epochs: expected a whole number, not 'x'",
        f"{path}:8: rate: 2 is not at most 1",
        f"{path}:17: seed: -1 is not at least 0",
    ]
    assert refusal.value.where.line == 8


def test_a_circle_is_named_stage_by_stage(tmp_path: Path) -> None:
    loop = ("  model: ", "  pool: {use: toy.pool, parts: [parts.train]}\n  model: ")
    with pytest.raises(SuiteError, match="stages go in a circle: parts → pool → parts"):
        loaded(tmp_path, ("numbers: numbers", "numbers: pool"), loop)


def test_a_gate_must_depend_on_the_subject(tmp_path: Path) -> None:
    second = ("matrix:", "  count: {use: toy.size, data: numbers}\nmatrix:")
    with pytest.raises(SuiteError, match=r"no value of toy\.size says which way is better"):
        loaded(tmp_path, second, ("fit: 0.1", "count: 1"))
    with pytest.raises(SuiteError, match="does not depend on a subject: the suite names none"):
        loaded(tmp_path, ("subject: [model]\n", ""))
    other = ("  model: ", "  other: {use: toy.train, data: numbers}\n  model: ")
    scored = ("matrix:", "  fit2: {use: toy.measure, model: other, data: numbers}\nmatrix:")
    with pytest.raises(SuiteError, match=r"gate fit2: the metric does not depend on the subject \(model\)"):
        loaded(tmp_path, other, scored, ("fit: 0.1", "fit2: 0.1"))
