"""What a run is compared with: read before it runs, never the run itself, and never another execution of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli.test_main import SUITE, WITH_OTHERS, WORSE, accept_toy, verdicts
from command_line import Project
from copies import Copies
from toy_suites import changed, write_suite


@pytest.fixture
def accepted(project: Project, copies: Copies) -> Project:
    copies.fill(project, accept_toy)
    return project


def told(text: str) -> str:
    return " ".join(text.split())


def test_the_latest_run_is_the_one_before_this_run(accepted: Project) -> None:
    said = accepted.harness("run", SUITE, *WORSE, "--baseline", "toy/centre", "--out", "worse")
    assert said.code == 6, said.out


@pytest.mark.parametrize("spelled", ["before", "before/run.json", "./before/"])
def test_a_run_does_not_replace_what_it_is_compared_with(accepted: Project, spelled: str) -> None:
    accepted.harness("run", SUITE, "--out", "before")
    body = Path("before/run.json").read_bytes()
    said = accepted.harness("run", SUITE, *WORSE, "--baseline", spelled, "--out", "before")
    assert (said.code, said.error) == (2, "--out before: is what --baseline names; name another folder")
    assert Path("before/run.json").read_bytes() == body


def test_a_run_is_not_compared_with_itself(accepted: Project) -> None:
    accepted.harness("run", SUITE, "--out", "one")
    for command in (("compare", "one", "one"), ("explain", "one", "fit", "--baseline", "one")):
        said = accepted.harness(*command)
        assert (said.code, said.error) == (2, "one: this is the run itself; name another run or a baseline")


def test_an_inconclusive_run_ends_alike_in_every_report(accepted: Project) -> None:
    narrow = changed(("fit: 0.1", "fit: 0.0000001"), text=WITH_OTHERS)
    write_suite(accepted.folder, narrow)
    said = accepted.harness("run", SUITE, "--strict", "--set", "model.epochs=6")
    record = accepted.latest["comparison"]
    page = (accepted.runs[-1] / "report.html").read_text()
    assert f"(exit {said.code})" in page
    assert f"exit {said.code})" in said.out
    assert (record["strict"], record["exit"]) == (True, said.code)


def test_a_run_is_accepted_into_its_own_project(
    accepted: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree("baselines")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    said = accepted.harness("accept", accepted.runs[-1], "--reason", "from elsewhere")
    assert said.code == 0, said.err
    assert (accepted.folder / "baselines/toy/centre/cpu.json").is_file()
    assert not (elsewhere / "baselines").exists()


def test_an_experiment_is_not_accepted_by_the_suites_name(
    accepted: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["harness", "run", SUITE, *WORSE])
    accepted.harness("run", SUITE, *WORSE)
    latest = accepted.latest["id"]
    said = accepted.harness("accept", "toy/centre", "--reason", "the latest")
    assert said.code == 2
    assert said.error.startswith(f"toy/centre: its latest run, {latest}, was made with --set")
    assert accepted.harness("accept", latest, "--reason", "this one").code == 0


def test_a_gate_that_is_gone_is_said(accepted: Project) -> None:
    write_suite(accepted.folder, changed(("  fit.within: 5%\n", ""), text=WITH_OTHERS))
    said = accepted.harness("run", SUITE)
    assert said.code == 0
    assert "fit.within: not gated; the baseline was accepted with the margin 5 %" in told(said.out)


def test_points_that_failed_in_the_other_run_are_not_left_out(accepted: Project) -> None:
    accepted.harness("run", SUITE, "--out", "good")
    shutil.copytree("good", "bad")
    body = json.loads(Path("good/run.json").read_text())
    score = next(s for s in body["scores"] if s["metric"] == "fit")
    for repeat in score["repeats"]:
        repeat |= {"values": {}, "error": "failed", "items": False, "steps": {}}
    Path("bad/run.json").write_text(json.dumps(body))
    said = accepted.harness("compare", "good", "bad")
    assert said.code == 4
    assert "the baseline has failed repeats at 1 of 4 points" in told(said.out)


def test_set_leaves_the_gate_of_its_point(project: Project) -> None:
    gates = "fit: [{margin: 0.2, at: {model.rate: 0.2}}, {margin: 0.3}]"
    write_suite(project.folder, changed(("fit: 0.1", gates), text=WITH_OTHERS))
    assert project.harness("run", SUITE, "--set", "model.rate=0.2").code == 4
    assert [g["margin"] for g in project.latest["gates"] if g["field"] == "error"] == [0.2]
    assert project.harness("run", SUITE, "--set", "model.rate=0.1").code == 2, "the gate's point is gone"


@pytest.mark.parametrize(
    ("margin", "most"), [("1e200", "a margin is at most 1e+150"), ("1e9%", "a margin is at most 1,000,000 %")]
)
def test_a_margin_that_is_no_limit_is_refused(project: Project, margin: str, most: str) -> None:
    write_suite(project.folder, changed(("fit: 0.1", f"fit: {margin}"), text=WITH_OTHERS))
    said = project.harness("run", SUITE)
    assert said.code == 2
    assert most in said.error


OVERLAP = (
    "fit: [{{margin: 0.5, at: {{{one}}}, against: reference}}, "
    "{{margin: 0.1, at: {{{two}}}, against: reference}}]"
)


@pytest.mark.parametrize(
    ("one", "two", "refused"),
    [
        ("model.loss: absolute", "model.rate: 0.2", True),
        ("model.loss: absolute", "model.loss: absolute, model.rate: 0.2", False),
        ("model.loss: absolute", "model.loss: square, model.rate: 0.2", False),
    ],
)
def test_of_two_gates_that_judge_the_same_points_one_is_the_more_specific(
    project: Project, one: str, two: str, refused: bool
) -> None:
    write_suite(project.folder, changed(("fit: 0.1", OVERLAP.format(one=one, two=two)), text=WITH_OTHERS))
    said = project.harness("run", SUITE)
    assert (said.code == 2) is refused, said.err
    if refused:
        assert "judge some of the same points; name all of these axes in one of them" in said.error


def test_the_verdicts_of_an_accepted_run_hold(accepted: Project) -> None:
    assert accepted.harness("run", SUITE).code == 0
    assert set(verdicts(accepted).values()) == {"unchanged"}
