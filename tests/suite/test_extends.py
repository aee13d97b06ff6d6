"""What a suite inherits by ``extends`` and what ``--set`` changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import Shape
from toy_suites import changed, write_suite

from harness.errors import SuiteError
from harness.suite import Axis, Ref, Suite, load


def loaded(folder: Path, *replacements: tuple[str, str], set_: tuple[str, ...] = ()) -> Suite:
    return load(write_suite(folder, changed(*replacements)), set_=set_)


CHILD = "suite: toy/child\nextends: suite.yaml\n"


def child(folder: Path, text: str = "", name: str = "child.yaml") -> Suite:
    write_suite(folder)
    return load(write_suite(folder, CHILD + text, name))


def test_an_empty_child_is_its_parent_by_another_name(tmp_path: Path) -> None:
    suite, parent = child(tmp_path), loaded(tmp_path)
    assert (suite.name, suite.about) == ("toy/child", "")
    assert suite.nodes == parent.nodes, "with the places in the parent's file"
    assert (suite.matrix, suite.seeds, suite.reference) == (parent.matrix, parent.seeds, parent.reference)
    assert suite.gates == parent.gates


def test_named_things_merge_and_lists_and_values_replace(tmp_path: Path) -> None:
    suite = child(tmp_path, "stages: {model: {epochs: 1, rate: 0.5}}\nmatrix: {model.loss: [square]}\n")
    assert suite.nodes["model"].parameters["epochs"] == 1
    assert suite.nodes["model"].inputs == {"data": (Ref("parts", "train"),)}
    assert suite.matrix == (Axis("model.loss", ("square",)), Axis("model.rate", (0.1, 0.2)))
    assert suite.nodes["numbers"].where.file.endswith("suite.yaml")
    assert suite.nodes["model"].where == (str(tmp_path / "suites" / "child.yaml"), 3)


def test_a_stage_that_repeats_use_is_replaced_whole(tmp_path: Path) -> None:
    suite = child(tmp_path, "stages: {numbers: {use: toy.draw, count: 3, shape: uniform}}\n")
    drawn = suite.nodes["numbers"].parameters
    assert (drawn["count"], drawn["shape"], drawn["mean"]) == (3, Shape.UNIFORM, 0.0)


def test_null_removes_named_things_and_is_a_value_of_parameters(tmp_path: Path) -> None:
    removed = "matrix: {model.rate: null}\nreference: null\ngate: {fit.within: null}\nseeds: null\n"
    suite = child(tmp_path, removed + "stages: {numbers: {label: null, count: 2}}\n")
    assert [a.field for a in suite.matrix] == ["model.loss"]
    assert (suite.reference, suite.seeds, len(suite.gates)) == ({}, (), 1)
    assert suite.nodes["numbers"].parameters["label"] is None
    with pytest.raises(SuiteError, match=r"child\.yaml:3: .*'modle'.*did you mean 'model'"):
        child(tmp_path, "stages: {modle: null}\n")
    with pytest.raises(SuiteError, match=r"child\.yaml:3: stage 'modle' has no 'use'; did you mean 'model'"):
        child(tmp_path, "stages: {modle: {epochs: 1}}\n")


def test_a_mistake_in_the_parent_is_shown_there(tmp_path: Path) -> None:
    write_suite(tmp_path, changed(("epochs: 5", "epochs: x")))
    with pytest.raises(SuiteError, match=r"suite\.yaml:8: epochs"):
        load(write_suite(tmp_path, CHILD, "child.yaml"))


def test_extends_goes_over_folders_but_not_in_circles(tmp_path: Path) -> None:
    write_suite(tmp_path)
    write_suite(tmp_path, "suite: a\nextends: ../suite.yaml\n", "smoke/a.yaml")
    suite = load(write_suite(tmp_path, "suite: b\nextends: smoke/a.yaml\n", "b.yaml"))
    assert (suite.name, len(suite.nodes)) == ("b", 4)
    write_suite(tmp_path, "suite: suite\nextends: b.yaml\n")
    with pytest.raises(
        SuiteError, match=r"extends goes in a circle: b\.yaml → a\.yaml → suite\.yaml → b\.yaml"
    ):
        load(tmp_path / "suites" / "b.yaml")
    with pytest.raises(SuiteError, match=r"c\.yaml:2: .*none\.yaml: cannot be read"):
        load(write_suite(tmp_path, "suite: c\nextends: none.yaml\n", "c.yaml"))


@given(
    epochs=st.integers(1, 99),
    rate=st.floats(0.01, 1),
    swept=st.lists(st.integers(0, 99), min_size=1, unique=True),
)
def test_the_childs_value_wins(tmp_path: Path, epochs: int, rate: float, swept: list[int]) -> None:
    suite = child(
        tmp_path, f"stages: {{model: {{epochs: {epochs}, rate: {rate}}}}}\nseeds: {{model.seed: {swept}}}\n"
    )
    assert suite.nodes["model"].parameters["epochs"] == epochs
    assert suite.nodes["model"].parameters["rate"] == rate
    assert suite.seeds == (Axis("model.seed", tuple(swept)),)


def test_set_lays_values_over_the_file(tmp_path: Path) -> None:
    suite = loaded(
        tmp_path, set_=("model.epochs=1", "model.window=[2, 0.5]", "numbers.label=null", "fit.power=2")
    )
    assert suite.nodes["model"].parameters["window"] == (2, 0.5)
    assert suite.nodes["model"].parameters["epochs"] == 1
    assert suite.nodes["fit"].parameters["power"] == 2
    assert {"epochs", "window"} <= suite.nodes["model"].given


def test_set_of_a_swept_field_leaves_one_value_and_no_axis(tmp_path: Path) -> None:
    exclude = ("reference: ", "exclude:\n- {model.rate: 0.2, model.loss: absolute}\nreference: ")
    suite = loaded(tmp_path, exclude, set_=("model.rate=0.2", "model.seed=5"))
    assert suite.nodes["model"].parameters["rate"] == 0.2
    assert suite.nodes["model"].parameters["seed"] == 5
    assert [a.field for a in suite.matrix] == ["model.loss"]
    assert suite.seeds == ()
    assert suite.reference == {"model.loss": "square"}
    assert suite.exclude == ({"model.loss": "absolute"},)
    assert loaded(tmp_path, exclude, set_=("model.rate=0.3",)).exclude == ()
    gate = ("fit: 0.1", "fit: {margin: 1, at: {model.rate: 0.1}}")
    assert loaded(tmp_path, gate, set_=("model.rate=0.1",)).gates[0].at == {}
    with pytest.raises(SuiteError, match=r"--set model\.rate has left no such point"):
        loaded(tmp_path, gate, set_=("model.rate=0.2",))


def test_a_set_that_leaves_a_stage_without_use_names_only(tmp_path: Path) -> None:
    others = (
        "  model: ",
        "  others: {use: toy.draw, count: 30}\n  halves: {use: toy.split, numbers: others}\n  model: ",
    )
    axis = ("matrix:\n", "matrix:\n  model.data: [parts.train, halves.train]\n")
    assert len(loaded(tmp_path, others, axis).matrix) == 3
    with pytest.raises(SuiteError) as refusal:
        loaded(tmp_path, others, axis, set_=("model.data=parts.train",))
    *unused, hint = str(refusal.value).splitlines()
    assert [line.rpartition(": ")[2] for line in unused] == [
        "stage 'others' reaches no metric",
        "stage 'halves' reaches no metric",
    ]
    assert hint == (
        "--set:1: model.data is an axis of the matrix; "
        "--only model.data=parts.train runs that value and leaves the rest"
    )


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model.epoch=3", "--set:1: 'model' (toy.train) has no 'epoch'; did you mean 'epochs'?"),
        ("modle.epochs=3", "--set:1: no stage or metric 'modle' in the suite; did you mean 'model'?"),
        ("epochs", "--set:1: expected node.field=value, not 'epochs'"),
        ("model.epochs=", "--set:1: model.epochs has no value (null says 'none')"),
        ("model.epochs=[1", "--set:1: not YAML"),
        ("model.epochs=x", "--set:1: epochs: expected a whole number, not 'x'"),
        ("model.rate=[0.1]", "--set:1: rate: expected a number, not a list"),
    ],
)
def test_a_wrong_set_is_answered_like_a_wrong_line(tmp_path: Path, assignment: str, message: str) -> None:
    with pytest.raises(SuiteError) as refusal:
        loaded(tmp_path, set_=(assignment,))
    assert str(refusal.value).startswith(message)


def test_a_path_is_relative_to_the_file_that_says_it(tmp_path: Path) -> None:
    own = "stages: {numbers: {use: toy.read, source: path:mine.json}}\n"
    write_suite(tmp_path)
    suite = load(write_suite(tmp_path, "suite: mine\nextends: ../suite.yaml\n" + own, "own/mine.yaml"))
    assert suite.nodes["numbers"].parameters["source"].path == tmp_path / "suites" / "own" / "mine.json"
