"""The protocol is what reaches a metric without passing through the subject; all else may change under test."""

from __future__ import annotations

from pathlib import Path

import toy
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from toy_plans import keys_of, planned, with_stage
from toy_suites import changed, write_suite

from harness.artifact import Json
from harness.cli.commands.run import Request, execute, prepare
from harness.engine.plan import Plan, make
from harness.engine.protocol import Bindings, defaults
from harness.suite import load

few = draws(25)

ONE_POINT = [
    ("matrix:\n  model.loss: [square, absolute]\n  model.rate: [0.1, 0.2]\n", ""),
    ("reference: {model.loss: square, model.rate: 0.1}\n", ""),
]
NO_SEEDS = ("seeds:\n  model.seed: [0, 1, 2]\n", "")

DATA: dict[str, Json] = {
    "numbers.use": "toy.draw@1",
    "numbers.count": 40,
    "numbers.mean": 2.5,
    "numbers.spread": 1.0,
    "numbers.shape": "gauss",
    "numbers.label": None,
    "numbers.seed": 7,
    "parts.use": "toy.split@1",
    "parts.held_out": 0.25,
    "parts.numbers": "numbers",
}
METRIC: dict[str, Json] = {
    "fit.use": "toy.measure@1",
    "fit.power": 1,
    "fit.model": "model",
    "fit.data": "parts.test",
}
MODEL: dict[str, Json] = {
    "model.use": "toy.train@1",
    "model.data": "parts.train",
    "model.epochs": 5,
    "model.rate": 0.1,
    "model.loss": "square",
    "model.weights": {},
    "model.shuffle": True,
    "model.window": [1, 1.0],
    "model.seed": 0,
}


def protocol(plan: Plan, metric: str = "fit") -> dict[str, Json]:
    """The protocol that all scores of a metric have."""
    found = [dict(s.protocol) for s in plan.scores if s.metric == metric]
    assert found
    assert all(p == found[0] for p in found)
    return found[0]


def without(fields: dict[str, Json], *names: str) -> dict[str, Json]:
    assert fields.keys() >= set(names)
    return {n: v for n, v in fields.items() if n not in names}


def test_what_passes_through_the_subject_alone_is_no_part_of_the_protocol(tmp_path: Path) -> None:
    assert protocol(planned(tmp_path)) == {**DATA, **METRIC}, (
        "the model is left out; its data is also the test's"
    )
    apart = [
        ("  model: ", "  others: {use: toy.draw, count: 9}\n  model: "),
        ("data: parts.train", "data: others"),
    ]
    assert protocol(planned(tmp_path, *apart)) == {**DATA, **METRIC}, "what only the model sees is left out"


def test_a_parameter_may_be_the_subject(tmp_path: Path) -> None:
    plan = planned(tmp_path, *ONE_POINT, NO_SEEDS, ("[model]", "[model.epochs]"))
    assert protocol(plan) == {**DATA, **METRIC, **without(MODEL, "model.epochs")}


def test_an_input_may_be_the_subject(tmp_path: Path) -> None:
    plan = planned(
        tmp_path,
        *ONE_POINT,
        NO_SEEDS,
        ("[model]", "[model.data]"),
        ("  model: ", "  others: {use: toy.draw, count: 9}\n  model: "),
        ("data: parts.train", "data: others"),
    )
    assert protocol(plan) == {**DATA, **METRIC, **without(MODEL, "model.data")}


def test_without_a_subject_everything_is_protocol(tmp_path: Path) -> None:
    gates = "gate:\n  fit: 0.1\n  fit.within: 5%\n"
    plan = planned(tmp_path, *ONE_POINT, NO_SEEDS, ("subject: [model]\n", ""), (gates, ""))
    assert protocol(plan) == {**DATA, **METRIC, **MODEL}
    assert plan.subject_path(plan.scores[0].repeats[0].task) == []


def test_a_swept_seed_is_left_out_and_a_fixed_one_is_in(tmp_path: Path) -> None:
    fixed = planned(tmp_path)
    assert protocol(fixed)["numbers.seed"] == 7, "it decides which data it is"
    assert protocol(planned(tmp_path, ("seed: 7", "seed: 8"))) == {**DATA, **METRIC, "numbers.seed": 8}
    swept = planned(tmp_path, ("model.seed: [0, 1, 2]", "model.seed: [0, 1, 2]\n  numbers.seed: [5, 6, 7]"))
    assert protocol(swept) == without({**DATA, **METRIC}, "numbers.seed")
    assert all("numbers.seed" not in s.settings for s in swept.scores)


def test_settings_hold_every_field_upstream(tmp_path: Path) -> None:
    plan = planned(tmp_path, *ONE_POINT, NO_SEEDS)
    assert plan.scores[0].settings == {**DATA, **METRIC, **MODEL, "model.batch_size": 4}


def test_how_the_subject_is_read_is_protocol_and_nothing_else_of_it(tmp_path: Path) -> None:
    suite = """\
suite: toy/images
subject: [images]
stages:
  images: {use: text_to_image.folder, source: "path:images", label: kind, size: 48}
metrics:
  cost: {use: cost.sampling, images: images}
"""
    file = write_suite(tmp_path, suite)
    meant = make(load(file)).scores[0].protocol
    assert meant == {
        "cost.use": "cost.sampling@1",
        "cost.images": "images",
        "images.prompt": "prompt",
        "images.label": "kind",
        "images.of": None,
        "images.size": 48,
        "images.resize": "bicubic",
        "images.scale": None,
    }
    named = write_suite(tmp_path, suite.replace("[images]", "[images.size]"), "named.yaml")
    assert "images.size" not in make(load(named)).scores[0].protocol, "the suite says that it is under test"


def test_how_the_work_is_done_is_in_the_key_and_not_in_the_protocol(tmp_path: Path) -> None:
    everything = [*ONE_POINT, NO_SEEDS, ("[model]", "[model.epochs]")]
    small = planned(tmp_path, *everything)
    large = planned(tmp_path, *everything, ("epochs: 5", "epochs: 5, batch_size: 8"))
    assert set(keys_of(small, "model")).isdisjoint(keys_of(large, "model"))
    assert protocol(small) == protocol(large)
    assert large.scores[0].settings["model.batch_size"] == 8


def test_an_axis_is_in_the_protocol_unless_it_is_behind_the_subject(tmp_path: Path) -> None:
    plan = planned(tmp_path, ("model.rate: [0.1, 0.2]", "model.rate: [0.1, 0.2]\n  fit.power: [1, 2]"))
    assert len(plan.scores) == 8
    for score in plan.scores:
        assert score.protocol == {**DATA, **METRIC, "fit.power": score.point["fit.power"]}
        assert {n: score.settings[n] for n in score.point} == score.point


def test_settings_follow_the_wiring_of_the_point(tmp_path: Path) -> None:
    plan = planned(
        tmp_path,
        ("[model]", "[model.epochs]"),
        ("  model: ", "  others: {use: toy.draw, count: 9}\n  model: "),
        ("model.rate: [0.1, 0.2]", "model.data: [parts.train, others]\n  others.count: [9, 10]"),
        ("model.rate: 0.1}", "model.data: others}"),
    )
    assert len(plan.scores) == 2 * 2 * 2
    for score in plan.scores:
        takes_others = score.point["model.data"] == "others"
        for fields in (score.settings, score.protocol):
            assert fields["model.data"] == score.point["model.data"]
            assert ("others.use" in fields) == takes_others
            assert fields.get("others.count") == (score.point["others.count"] if takes_others else None)


def test_a_raised_version_changes_the_protocol_and_an_edited_source_does_not(tmp_path: Path) -> None:
    suite = load(write_suite(tmp_path))
    before = make(suite)
    raised = make(with_stage(suite, "parts", version=2))
    assert protocol(raised) == {**DATA, **METRIC, "parts.use": "toy.split@2"}
    edited = make(with_stage(suite, "parts", function=toy.pool))
    assert set(keys_of(edited, "parts")).isdisjoint(keys_of(before, "parts"))
    assert protocol(edited) == protocol(before)


def test_a_stage_that_enters_by_two_ways_hides_no_other(tmp_path: Path) -> None:
    pooled = "  pooled:  {use: toy.pool, parts: [others, parts.train, parts.test]}\n"
    others = "  others:  {use: toy.draw, count: 9}\n"
    plan = planned(
        tmp_path, ("  model: ", f"{others}{pooled}  model: "), ("data: parts.test", "data: pooled")
    )
    assert protocol(plan)["others.count"] == 9
    assert protocol(plan)["pooled.parts"] == ["others", "parts.train", "parts.test"]
    reached = list(Bindings(plan.suite).reaching("fit", (0, 0), cut=False))
    assert sorted(reached) == ["fit", "model", "numbers", "others", "parts", "pooled"]


SUBJECT_EDITS = (
    *("epochs=7", "rate=0.3", "loss=absolute", "shuffle=false", "window=[2, 1.0]", "batch_size=9"),
    *("weights={negative: 2}", "data=parts.test", "data=numbers"),
)
PROTOCOL_EDITS = (
    *("numbers.count=41", "numbers.mean=1", "numbers.spread=2", "numbers.shape=uniform", "numbers.label=a"),
    *("numbers.seed=1", "parts.held_out=0.5", "fit.power=2", "fit.data=parts.train"),
)


@few
@given(edits=st.lists(st.sampled_from(SUBJECT_EDITS), min_size=1, unique_by=lambda e: e.partition("=")[0]))
def test_whatever_is_done_to_the_subject_scores_stay_comparable(tmp_path: Path, edits: list[str]) -> None:
    before = planned(tmp_path, *ONE_POINT)
    after = planned(tmp_path, *ONE_POINT, set_=tuple(f"model.{e}" for e in edits))
    assert protocol(after) == protocol(before)
    assert set(keys_of(before, "fit")).isdisjoint(keys_of(after, "fit"))


@few
@given(edits=st.lists(st.sampled_from(PROTOCOL_EDITS), min_size=1, unique_by=lambda e: e.partition("=")[0]))
def test_whatever_else_is_changed_is_named(tmp_path: Path, edits: list[str]) -> None:
    before, after = protocol(planned(tmp_path)), protocol(planned(tmp_path, set_=tuple(edits)))
    differing = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
    assert differing == {e.partition("=")[0] for e in edits}


def test_defaults_are_those_of_the_functions_whatever_the_suite_says(tmp_path: Path) -> None:
    found = defaults(load(write_suite(tmp_path)))
    assert found["model.epochs"] == 3
    assert found["numbers.shape"] == "gauss"
    assert found["model.window"] == [1, 1.0]
    assert found["numbers.seed"] == 0
    assert "numbers.count" not in found, "it has none"


def test_conditions_are_those_of_the_metric_and_of_what_is_before_the_cut(tmp_path: Path) -> None:
    file = write_suite(tmp_path, changed(*ONE_POINT))
    prepared = prepare(Request(file, store=tmp_path / "store"), download=False)
    fit = prepared.plan.scores[0].repeats[0].task
    behind = {t.node for t in prepared.plan.behind(fit, protocol_only=True)}
    assert behind == {"fit", "parts", "numbers"}
    assert {t.node for t in prepared.plan.behind(fit)} == {*behind, "model"}
    run, _ = execute(prepared, Console(quiet=True))
    assert run.scores[0].whole_protocol() == {**DATA, **METRIC, "fit.n": 10}


def test_the_subject_path_runs_from_the_subject_to_the_metric(tmp_path: Path) -> None:
    for subject, nodes in (("model", {"model", "fit"}), ("model.rate", {"model", "fit"})):
        plan = planned(tmp_path, *ONE_POINT, ("[model]", f"[{subject}]"))
        assert {t.node for t in plan.subject_path(plan.scores[0].repeats[0].task)} == nodes
    whole = planned(tmp_path, *ONE_POINT, ("[model]", "[parts]"))
    fit = whole.scores[0].repeats[0].task
    assert {t.node for t in whole.subject_path(fit)} == {"parts", "model", "fit"}
