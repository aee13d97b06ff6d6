"""A suite file becomes a Suite, or one error that names the place, the text and the nearest right name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_suites import TOY, changed, write_suite

from harness.errors import SuiteError, UsageError
from harness.suite import Axis, Margin, Ref, Suite, load, parse_only


def loaded(folder: Path, *replacements: tuple[str, str], set_: tuple[str, ...] = ()) -> Suite:
    return load(write_suite(folder, changed(*replacements)), set_=set_)


def test_a_suite_is_read_whole(tmp_path: Path) -> None:
    suite = loaded(tmp_path)
    assert (suite.name, suite.subject, suite.metrics) == ("toy/centre", ("model",), ("fit",))
    assert suite.project == tmp_path
    model = suite.nodes["model"]
    assert model.stage.name == "toy.train"
    assert model.inputs == {"data": (Ref("parts", "train"),)}
    assert model.parameters["epochs"] == 5
    assert model.parameters["rate"] == 0.1, "the default"
    assert model.given == {"epochs"}
    assert model.where.line == 8
    assert suite.matrix == (Axis("model.loss", ("square", "absolute")), Axis("model.rate", (0.1, 0.2)))
    assert suite.seeds == (Axis("model.seed", (0, 1, 2)),)
    assert suite.reference == {"model.loss": "square", "model.rate": 0.1}
    assert [(g.metric, g.field, g.margin) for g in suite.gates] == [
        ("fit", "error", Margin(0.1, relative=False)),
        ("fit", "within", Margin(0.05, relative=True)),
    ]


def test_nodes_come_after_what_they_take(tmp_path: Path) -> None:
    text = changed(("  numbers: {use: toy.draw, count: 40, mean: 2.5, seed: 7}\n", ""))
    late = text.replace("\nmetrics:", "  numbers: {use: toy.draw, count: 40}\n\nmetrics:")
    assert list(load(write_suite(tmp_path, late)).nodes) == ["numbers", "parts", "model", "fit"]


def test_upstream_follows_every_alternative_of_a_swept_input(tmp_path: Path) -> None:
    suite = loaded(
        tmp_path,
        ("  model: ", "  others: {use: toy.draw, count: 9}\n  model: "),
        ("model.rate: [0.1, 0.2]", "model.data: [parts.train, others]"),
        ("model.rate: 0.1}", "model.data: others}"),
    )
    assert suite.upstream("fit") == {"numbers", "parts", "others", "model"}
    assert suite.upstream("parts") == {"numbers"}
    assert suite.matrix[1].values == ((Ref("parts", "train"),), (Ref("others"),))
    assert suite.reference["model.data"] == (Ref("others"),)


def test_an_input_may_be_a_list_and_an_optional_one_may_be_null(tmp_path: Path) -> None:
    suite = loaded(
        tmp_path,
        ("  model: ", "  pool: {use: toy.pool, parts: [parts.train, numbers]}\n  model: "),
        ("data: parts.train", "data: pool, start: null"),
    )
    assert suite.nodes["pool"].inputs["parts"] == (Ref("parts", "train"), Ref("numbers"))
    assert "start" not in suite.nodes["model"].inputs


def test_a_gate_may_name_a_point_and_the_reference(tmp_path: Path) -> None:
    gate = ("fit: 0.1", "fit: [0.1, {margin: 1e-1%, at: {model.rate: 0.2}, against: reference}]")
    named = loaded(tmp_path, gate).gates[1]
    assert (named.at, named.against_reference) == ({"model.rate": 0.2}, True)
    assert named.margin == Margin(0.001, relative=True)
    alone = ("reference: {model.loss: square, model.rate: 0.1}\n", "")
    with pytest.raises(SuiteError, match="the suite has no 'reference'"):
        loaded(tmp_path, gate, alone)
    with pytest.raises(SuiteError) as refusal:
        loaded(
            tmp_path, gate, ("model.loss: square, model.rate: 0.1}", "model.loss: sqare, model.rate: 0.1}")
        )
    assert "sqare" in str(refusal.value)
    assert "no 'reference'" not in str(refusal.value)


def test_only_keeps_values_of_axes(tmp_path: Path) -> None:
    suite = loaded(tmp_path)
    assert parse_only(suite, ["model.rate=0.2,0.1, model.loss = absolute"]) == {
        "model.rate": (0.1, 0.2),
        "model.loss": ("absolute",),
    }
    assert parse_only(suite, ["model.rate=0.2", "model.rate=0.1"]) == {"model.rate": (0.1, 0.2)}
    for wrong, message in [
        ("model.rate=0.3", "--only:1: model.rate: '0.3' is no value of the axis"),
        ("model.rat=0.1", "--only:1: the matrix has no axis 'model.rat'; did you mean 'model.rate'?"),
        ("model.rate", "--only:1: expected axis=value, not 'model.rate'"),
        ("model.rate=], [", "--only:1: not YAML"),
    ]:
        with pytest.raises(SuiteError) as refusal:
            parse_only(suite, [wrong])
        assert str(refusal.value).startswith(message)


def test_only_takes_alternatives_of_an_input(tmp_path: Path) -> None:
    swept = ("model.rate: [0.1, 0.2]", "model.data: [parts.train, parts.test]")
    suite = loaded(tmp_path, swept, (", model.rate: 0.1}", "}"))
    assert parse_only(suite, ["model.data=parts.test"]) == {"model.data": ((Ref("parts", "test"),),)}


pieces = st.sampled_from(
    [
        *TOY.split(),
        *("null", "~", "[]", "{}", "toy.pool", "toy.size", "-1", "1e9", "numbers.x", "{a: b}", "[[1]]"),
        *("extends:", "use:", "at:", ":", ",", "'", "- "),
    ]
)


@given(old=st.sampled_from(sorted(set(TOY.split()))), new=st.one_of(pieces, st.text(max_size=12)))
def test_any_change_of_a_word_loads_or_is_named(tmp_path: Path, old: str, new: str) -> None:
    text = TOY.replace(old, new, 1)
    try:
        suite = load(tmp_path / "s.yaml", read=lambda _: text)
    except UsageError as refusal:
        assert str(refusal)  # noqa: PT017
    else:
        assert suite.nodes.keys() >= set(suite.metrics)


fields = st.sampled_from(["model.epochs", "model.rate", "fit.power", "model.data"])
assignments = st.tuples(fields, st.text(max_size=8)).map("=".join)


@given(st.lists(st.text(max_size=20) | assignments, max_size=3))
def test_any_set_and_only_loads_or_is_named(tmp_path: Path, arguments: list[str]) -> None:
    path = write_suite(tmp_path)
    for attempt in (lambda: load(path, set_=arguments), lambda: parse_only(load(path), arguments)):
        try:
            attempt()
        except UsageError as refusal:
            assert str(refusal)  # noqa: PT017


def test_loading_imports_nothing_heavy(tmp_path: Path) -> None:
    path = write_suite(tmp_path)
    script = (
        "import sys; from pathlib import Path; from harness.suite import load; load(Path(sys.argv[1]));"
        "print([m for m in ('torch', 'pandas', 'numpy', 'scipy', 'lightning') if m in sys.modules])"
    )
    toys = str(Path(__file__).parents[1] / "toy_package")
    answer = subprocess.run(
        [sys.executable, "-c", script, path],
        env={"PYTHONPATH": toys},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"
