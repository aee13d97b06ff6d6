"""The suites that come with the harness: each loads, plans, says what it is, and fits its accepted baselines."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from toy_suites import write_suite

from harness import suite as suites
from harness.compare import baseline
from harness.compare.differences import declared_differences, differences
from harness.compare.match import in_point
from harness.engine.keys import defaults
from harness.engine.plan import Plan, make
from harness.engine.recording import gate_infos
from harness.engine.suite_sources import named, resolve
from harness.errors import UsageError
from harness.store.artifacts import Store
from harness.store.record import Repeat, Score
from harness.suite.json_schema import json_schema

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "suites").rglob("*.yaml"))
BASELINES = sorted((ROOT / "baselines").rglob("*.json"))


def label(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


each_suite = pytest.mark.parametrize("file", FILES, ids=label)
each_baseline = pytest.mark.parametrize("file", BASELINES, ids=label)


@pytest.fixture
def mirror() -> Path:
    named_mirror = os.environ.get("HARNESS_MIRROR")
    if not named_mirror:
        pytest.skip("needs HARNESS_MIRROR, a folder laid out like the model hub")
    return Path(named_mirror)


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema()


def planned(file: Path, store: Path) -> Plan:
    """The plan of a suite; sources are looked up in the mirror where there is one, and never downloaded."""
    given = os.environ.get("HARNESS_MIRROR")
    mirror = Path(given) if given else None
    try:
        suite, _ = resolve(suites.load(file), mirror=mirror, store=Store(store), download=False)
    except UsageError as e:
        pytest.skip(f"its sources are not on this machine: {e}")
    return make(suite)


def test_there_are_suites_and_baselines() -> None:
    assert {"smoke", "local", "paper"} <= {f.relative_to(ROOT / "suites").parts[0] for f in FILES}
    assert "baselines/smoke/land-cover/cpu.json" in map(label, BASELINES)


@each_suite
def test_a_suite_is_valid_by_the_schema_that_editors_use(file: Path, schema: dict[str, Any]) -> None:
    jsonschema.validate(yaml.load(file.read_text(), Yaml12), schema)


class Yaml12(yaml.SafeLoader):
    """``1e-3`` is a number in YAML 1.2, which editors read, and a word in YAML 1.1, which PyYAML reads."""


Yaml12.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+"), list("-+0123456789")
)


@each_suite
def test_a_suite_is_called_as_its_file_and_says_what_it_is(file: Path) -> None:
    suite = suites.load(file)
    assert suite.name == file.relative_to(ROOT / "suites").with_suffix("").as_posix()
    assert len(suite.about.split()) > 5
    assert suite.about.endswith(".")


@each_suite
def test_a_suite_has_a_subject_a_gate_and_repeats_enough_for_a_verdict(file: Path) -> None:
    suite = suites.load(file)
    assert suite.subject
    assert suite.gates
    assert all(len(axis.values) >= 3 for axis in suite.seeds)


@each_suite
def test_a_suite_plans(file: Path, tmp_path: Path) -> None:
    plan = planned(file, tmp_path / "store")
    assert {s.metric for s in plan.scores} == set(plan.suite.metrics)
    assert {node for node, _ in plan.tasks} == set(plan.suite.nodes)


@each_suite
def test_a_suite_plans_whatever_its_sources_hold(file: Path, tmp_path: Path) -> None:
    """From a mirror of folders with nothing in them: sources that no machine here has are wired, too."""
    for source in named(file):
        if source.place is None:
            held = tmp_path / "mirror" / source.repo / source.inside
            held = held if held.suffix else held / "something"
            held.parent.mkdir(parents=True, exist_ok=True)
            held.write_text("something")
        elif not (file.parent / source.text[5:].partition("@")[0]).exists():
            pytest.skip(f"{source.text} is made by hand")
    assert problem_of(file, tmp_path / "mirror", tmp_path / "store") == ""


@pytest.mark.parametrize("name", ["smoke/chain", "local/chain"])
def test_the_chain_says_what_drawn_images_teach_less_than_real_ones(name: str, tmp_path: Path) -> None:
    """One recipe learns from real, drawn and both; the three are compared within the run, seed by seed."""
    plan = planned(ROOT / "suites" / f"{name}.yaml", tmp_path / "store")
    real = str(plan.suite.reference["learnt.train"][0])
    for metric in ("downstream", "paper"):
        by_data = {str(s.point["learnt.train"]): s for s in plan.scores if s.metric == metric}
        both = {"both"} if name == "local/chain" else set()
        assert by_data.keys() == {real, "parts.train"} | both
        seeds = [dict(repeat.seeds) for repeat in by_data[real].repeats]
        assert len(seeds) == 4
        for score in by_data.values():
            assert score.protocol == by_data[real].protocol
            assert [dict(repeat.seeds) for repeat in score.repeats] == seeds
    gated = [gate.at["learnt.train"] for gate in plan.suite.gates if gate.metric == "downstream"]
    assert [str(refs[0]) for refs in gated] == ["parts.train"]


@each_suite
def test_without_its_sources_a_suite_says_which_one_and_what_to_do(file: Path, tmp_path: Path) -> None:
    """An empty mirror and nothing downloaded: it plans, or ends in one line that names a source of its own."""
    (tmp_path / "empty").mkdir()
    hub = [source.repo for source in named(file) if source.place is None]
    lost = [
        s.text for s in named(file) if s.place and not (file.parent / s.text[5:].partition("@")[0]).exists()
    ]
    problem = problem_of(file, tmp_path / "empty", tmp_path / "store")
    assert bool(problem) == bool(hub or lost)
    if problem:
        assert any(text in problem for text in (*hub, *lost))
        assert "harness fetch" in problem or any(text in problem for text in lost)
        assert "\n" not in problem


def problem_of(file: Path, mirror: Path, store: Path) -> str:
    """What a suite cannot be planned for; empty where it can."""
    try:
        suite, _ = resolve(suites.load(file), mirror=mirror, store=Store(store), download=False)
    except UsageError as e:
        return str(e)
    assert make(suite).scores
    return ""


@each_baseline
def test_a_baseline_fits_its_suite(file: Path, tmp_path: Path) -> None:
    """It is as accepted, and the suite as it stands today would be compared with it rather than be incomparable."""
    folder = file.parent.relative_to(ROOT / "baselines").as_posix()
    accepted = baseline.find(ROOT, folder, file.stem)
    assert accepted is not None
    plan = planned(ROOT / "suites" / f"{folder}.yaml", tmp_path / "store")
    for planned_score in plan.scores:
        (theirs,) = (
            s
            for s in accepted.run.scores
            if s.metric == planned_score.metric and in_point(s, planned_score.point)
        )
        observed = tuple(Repeat({}, "", {}, r.conditions) for r in theirs.repeats)
        ours = Score(
            planned_score.metric,
            planned_score.point,
            planned_score.settings,
            planned_score.protocol,
            observed,
        )
        assert differences(ours, theirs, defaults(plan.suite), accepted.run.defaults) == ()
        today, then = plan.metrics[theirs.metric].fields, accepted.run.metrics[theirs.metric].fields
        assert declared_differences(theirs.metric, today, then) == ()
        assert [dict(r.seeds) for r in planned_score.repeats] == [dict(r.seeds) for r in theirs.repeats]


@each_baseline
def test_a_baseline_has_what_the_gates_of_its_suite_judge(file: Path) -> None:
    folder = file.parent.relative_to(ROOT / "baselines").as_posix()
    accepted = baseline.find(ROOT, folder, file.stem)
    assert accepted is not None
    gates = gate_infos(suites.load(ROOT / "suites" / f"{folder}.yaml"))
    assert gates
    for gate in gates:
        scores = [s for s in accepted.run.scores if s.metric == gate.metric and in_point(s, gate.at)]
        assert scores, gate
        assert all(gate.field in r.values for s in scores for r in s.repeats)
        direction = accepted.run.metrics[gate.metric].fields[gate.field]
        assert direction is not None
    assert accepted.run.is_complete
    assert accepted.items is not None


@pytest.mark.slow
def test_the_local_suite_runs_on_real_images_without_a_failure(mirror: Path, tmp_path: Path) -> None:
    """One epoch on small crops: it is the way through that is tested, not how good the result is."""
    file = write_suite(
        tmp_path, f"suite: local/short\nabout: The local suite, short.\nextends: {extended()}\n"
    )
    command = [sys.executable, "-m", "harness", "run", str(file), "--mirror", str(mirror)]
    options = [
        "--set",
        "classifier.epochs=1",
        "--set",
        "classifier.crop=32",
        "--store",
        str(tmp_path / "store"),
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stdout + done.stderr  # there is no baseline in a new project
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {t["state"] for t in run["tasks"]} == {"executed"}
    (score,) = run["scores"]
    assert len(score["repeats"]) == 5
    assert all(0 < r["values"]["overall_accuracy"] < 1 for r in score["repeats"])
    mapped = next(t["facts"] for t in run["tasks"] if t["node"] == "mapped")
    assert len(mapped["classes"]) == 5
    assert mapped["unmapped"]


def extended() -> str:
    return str(ROOT / "suites" / "local" / "land-cover.yaml")


MICRO = {
    "language-model": {
        "model.architecture": "tiny-phi",
        "model.dtype": "fp32",
        "tuned.precision": "fp32",
        "tuned.context": "128",
        "tuned.max_steps": "2",
        "read.precision": "fp32",
        "read.context": "128",
    },
    "text-to-image": {"model.architecture": "tiny", "images.precision": "fp32", "images.steps": "2"},
}
"""What makes a suite about published architectures small enough for two cores."""


@pytest.mark.slow
@pytest.mark.parametrize("name", MICRO)
def test_a_micro_suite_measures_what_its_stages_cost(name: str, mirror: Path, tmp_path: Path) -> None:
    """At a tiny architecture: it is the way through that is tested, not what a large one costs."""
    changed = [part for change in MICRO[name].items() for part in ("--set", "=".join(change))]
    folders = ["--mirror", str(mirror), "--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "harness", "run", f"suites/micro/{name}.yaml", *changed, *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 4, (
        done.stdout + done.stderr
    )  # nothing is accepted for what only a GPU should tell
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    values = [v for s in run["scores"] for r in s["repeats"] for v in r["values"].items()]
    assert {name for name, _ in values} & {"s_per_image", "s_per_1000_tokens"}
    assert all(value > 0 for name, value in values if name.startswith(("s_per_", "peak_", "host_")))


def test_every_micro_suite_is_run_small() -> None:
    assert {f.stem for f in FILES if f.parent.name == "micro"} == set(MICRO)
