"""A key says what would have to run again, a protocol what a score means; neither says anything else."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import toy
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from toy_plans import all_keys, keys_of, planned, tasks_of, with_stage
from toy_suites import TOY, changed, write_suite

from harness.artifact import Json
from harness.engine import code_digest
from harness.engine.keys import Bindings, defaults
from harness.engine.plan import Plan, make
from harness.errors import UsageError
from harness.evaluation.preparing import Request, prepare
from harness.evaluation.session import execute
from harness.store.record import chosen
from harness.suite import load

few = draws(25)


def test_a_key_is_the_hash_of_what_the_page_on_keys_says(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    numbers, parts = tasks_of(plan, "numbers")[0], tasks_of(plan, "parts")[0]
    body = {
        "function": "toy.split",
        "version": 1,
        "source": code_digest.digest(toy.split),
        "software": {},
        "parameters": {"held_out": 0.25},
        "inputs": {"numbers": [[numbers.key, ""]]},
    }
    spelled = json.dumps(body, sort_keys=True, separators=(",", ":"))
    assert parts.key == sha256(f"harness/task/1:{spelled}".encode()).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other.train"},
        {"version": 2},
        {"function": toy.pool},
        {"software": ("pytest",)},
    ],
    ids=["function", "version", "source", "software"],
)
def test_a_key_depends_on_the_stage(tmp_path: Path, changes: dict[str, Any]) -> None:
    suite = load(write_suite(tmp_path))
    before, after = make(suite), make(with_stage(suite, "model", **changes))
    assert set(keys_of(before, "model")).isdisjoint(keys_of(after, "model"))
    assert set(keys_of(before, "fit")).isdisjoint(keys_of(after, "fit")), "and what is made from it"
    assert keys_of(before, "parts") == keys_of(after, "parts"), "and not what it is made from"


def test_software_that_is_not_installed_is_named(tmp_path: Path) -> None:
    suite = with_stage(load(write_suite(tmp_path)), "model", software=("no-such-package",))
    with pytest.raises(UsageError, match=r"toy\.train needs the package 'no-such-package'"):
        make(suite)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs: 5", "epochs: 6"),
        ("epochs: 5", "epochs: 5, shuffle: false"),
        ("epochs: 5", "epochs: 5, batch_size: 8"),
        ("data: parts.train", "data: parts.test"),
        ("data: parts.train", "data: numbers"),
        ("seed: 7", "seed: 8"),
        ("held_out: 0.25", "held_out: 0.5"),
    ],
)
def test_a_key_depends_on_parameters_and_inputs(tmp_path: Path, old: str, new: str) -> None:
    before, after = planned(tmp_path), planned(tmp_path, (old, new))
    assert set(keys_of(before, "model")).isdisjoint(keys_of(after, "model"))


def test_an_optional_input_is_in_the_key_once_it_is_wired(tmp_path: Path) -> None:
    first = "  model: ", "  first: {use: toy.train, data: parts.train}\n  model: "
    before = planned(tmp_path)
    after = planned(tmp_path, first, ("data: parts.train, epochs", "data: parts.train, start: first, epochs"))
    assert set(keys_of(before, "model")).isdisjoint(keys_of(after, "model"))
    assert keys_of(planned(tmp_path, ("epochs: 5", "epochs: 5, start: null")), "model") == keys_of(
        before, "model"
    )


def test_the_order_of_a_list_of_inputs_is_in_the_key(tmp_path: Path) -> None:
    def pooled(order: str) -> list[str]:
        pool = "  both: {use: toy.pool, parts: [" + order + "]}\n  model: "
        return keys_of(planned(tmp_path, ("  model: ", pool), ("data: parts.train", "data: both")), "both")

    assert pooled("parts.train, parts.test") != pooled("parts.test, parts.train")


@pytest.mark.parametrize(
    "replacements",
    [
        [("suite: toy/centre", "suite: toy/other"), ("about: A centre", "about: Something")],
        [("epochs: 5", "epochs: 5, loss: square")],
        [("epochs: 5", "epochs: 5, batch_size: 4, window: [1, 1]")],
        [("seed: 7", "spread: 1, seed: 7")],
        [("fit: 0.1\n", "fit: 0.3\n"), ("subject: [model]", "subject: [model, parts]")],
        [("  numbers: {", "  numerals: {"), ("numbers: numbers", "numbers: numerals")],
    ],
    ids=["names", "a default", "defaults", "a whole number", "gate and subject", "node names"],
)
def test_keys_do_not_depend_on_what_changes_no_result(
    tmp_path: Path, replacements: list[tuple[str, str]]
) -> None:
    text = TOY
    for old, new in replacements:
        text = text.replace(old, new)
    assert text != TOY
    assert all_keys(make(load(write_suite(tmp_path, text)))) == all_keys(planned(tmp_path))


@few
@given(order=st.permutations(range(3)), shuffled=st.randoms(use_true_random=False))
def test_keys_do_not_depend_on_the_order_in_the_file(
    tmp_path: Path, order: list[int], shuffled: random.Random
) -> None:
    lines = TOY.splitlines()
    start = lines.index("stages:") + 1
    stages = [lines[start + i] for i in order]
    text = "\n".join([*lines[:start], *stages, *lines[start + 3 :]])
    fields = ["count: 40", "mean: 2.5", "seed: 7"]
    shuffled.shuffle(fields)
    text = text.replace("count: 40, mean: 2.5, seed: 7", ", ".join(fields))
    assert all_keys(make(load(write_suite(tmp_path, text)))) == all_keys(planned(tmp_path))


KEYS_ELSEWHERE = """\
import os, sys
from pathlib import Path
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from harness.store.record import chosen
from harness.engine.plan import make
from harness.suite import load
print(*make(load(Path(sys.argv[1]))).keys)
"""


def test_keys_are_the_same_in_another_process_folder_and_number_of_processors(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file = write_suite(elsewhere, name="renamed.yaml")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONHASHSEED": "17",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [sys.executable, "-c", KEYS_ELSEWHERE, str(file)]
    printed = subprocess.run(
        command, cwd=elsewhere, env=environment, check=True, capture_output=True, text=True
    )
    assert set(printed.stdout.split()) == all_keys(planned(tmp_path))


def test_data_is_in_the_key_by_its_content(tmp_path: Path) -> None:
    def read(name: str, content: str) -> list[str]:
        (tmp_path / "suites").mkdir(exist_ok=True)
        (tmp_path / "suites" / name).write_text(content)
        reads = "{use: toy.read, source: 'path:" + name + "'}"
        return keys_of(
            planned(tmp_path, ("{use: toy.draw, count: 40, mean: 2.5, seed: 7}", reads)), "numbers"
        )

    assert read("one.json", "[1, 2]") == read("two.json", "[1, 2]")
    assert read("one.json", "[1, 2]") != read("one.json", "[1, 3]")


PLANNED = """\
import json, sys
from importlib import metadata
from pathlib import Path
from harness.store.record import chosen
from harness.engine.plan import make
from harness.suite import load
plan = make(load(Path(sys.argv[1])))
print(json.dumps({
    "torch": metadata.version("torch"),
    "imported": "torch" in sys.modules,
    "keys": {node: key for node, key in plan.tasks},
    "protocols": [s.protocol for s in plan.scores],
}))
"""

CLASSIFIER = """\
suite: land-cover
subject: [classifier]
stages:
  seen:   {use: scenes.draw, per_class: 4, seed: 1}
  unseen: {use: scenes.draw, per_class: 4, seed: 3}
  classifier: {use: land_cover.train, train: seen, validation: seen, weights: null}
  predictions: {use: land_cover.predict, classifier: classifier, images: unseen}
metrics:
  land_cover: {use: classification.scores, predictions: predictions}
"""


def planned_with(folder: Path, file: Path) -> dict[str, Any]:
    """What a process plans that finds the packages of ``folder`` before the installed ones."""
    path = os.pathsep.join([str(folder), *sys.path])
    printed = subprocess.run(
        [sys.executable, "-c", PLANNED, str(file)],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(printed.stdout)
    return found


def test_another_torch_runs_again_and_stays_comparable(tmp_path: Path) -> None:
    file = write_suite(tmp_path, CLASSIFIER)
    (tmp_path / "none").mkdir()
    other = tmp_path / "other" / "torch-99.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 99.0\n")
    here, there = planned_with(tmp_path / "none", file), planned_with(other.parent, file)
    assert there["torch"] == "99.0" != here["torch"]
    assert not there["imported"]
    changed_nodes = {n for n in here["keys"] if here["keys"][n] != there["keys"][n]}
    assert changed_nodes == {"classifier", "predictions", "land_cover"}, "the scenes are drawn without torch"
    assert len(here["protocols"]) == 1
    assert here["protocols"] == there["protocols"]
    assert here["protocols"][0]["unseen.per_class"] == 4


def test_the_entry_of_a_table_is_chosen_by_a_value_by_its_word_or_by_each_of_a_list() -> None:
    entries = {"plain": "1", "with:colon": "2"}
    assert chosen(entries, "plain") == "1"
    assert chosen(entries, "plain:7") == "1"
    assert chosen(entries, "with:colon") == "2"
    assert chosen(entries, ["plain", "with:colon", "other", 3]) == ["1", "2", None, None]
    assert chosen(entries, ("plain",)) == ["1"]
    assert chosen(entries, None) is None


def test_the_axes_and_seeds_of_a_node_are_those_upstream_of_it(tmp_path: Path) -> None:
    text = changed(
        ("model.rate: [0.1, 0.2]", "numbers.shape: [gauss, uniform]\n  fit.power: [1, 2]"),
        ("model.rate: 0.1}", "numbers.shape: gauss}"),
        ("model.seed: [0, 1, 2]", "model.seed: [0, 1, 2]\n  numbers.seed: [5, 6, 7]"),
    )
    bindings = Bindings(load(write_suite(tmp_path, text)))
    assert bindings.axes == {"numbers": [1], "parts": [1], "model": [0, 1], "fit": [0, 1, 2]}
    assert bindings.own_axes == {"numbers": [1], "parts": [], "model": [0], "fit": [2]}
    assert bindings.seeds == {"numbers": [1], "parts": [1], "model": [0, 1], "fit": [0, 1]}
    assert bindings.point("model", (1, 1, 0)) == {"model.loss": "absolute", "numbers.shape": "uniform"}
    assert bindings.parameters("model", (1, 1, 0))["loss"] == "absolute"
    assert bindings.parameters("model", (0, 1, 0))["loss"] == "square"


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
