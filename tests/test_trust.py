"""What somebody typed is not what the harness measured, and a mishap at the end costs no verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Project
from toy_suites import TOY, changed, write_suite

SUITE = "suites/suite.yaml"


def test_a_run_whose_figures_were_edited_cannot_be_accepted(project: Project) -> None:
    write_suite(project.folder)
    project.harness("run", SUITE)
    file = project.runs[-1] / "run.json"
    honest = file.read_text()
    body = json.loads(honest)
    body["scores"][0]["repeats"][0]["values"]["within"] = 1.0
    file.write_text(json.dumps(body))
    said = project.harness("accept", project.runs[-1], "--reason", "it looks good")
    assert said.code == 2
    assert "not as the harness wrote it" in said.error
    assert not (project.folder / "baselines").exists()
    file.write_text(honest)
    project.accept()


def test_a_run_without_its_seal_cannot_be_accepted(project: Project) -> None:
    write_suite(project.folder)
    project.harness("run", SUITE)
    file = project.runs[-1] / "run.json"
    body = json.loads(file.read_text())
    del body["digest"]
    file.write_text(json.dumps(body))
    assert "not as the harness wrote it" in project.harness("accept", "toy/centre", "--reason", "x").error


def test_a_step_summary_that_cannot_be_written_costs_no_verdict(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_suite(project.folder)
    project.harness("run", SUITE)
    project.accept()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.folder / "nowhere" / "summary.md"))
    said = project.harness("run", SUITE)
    assert said.code == 0
    assert "unchanged" in said.out
    assert "summary.md" in said.error


def test_the_time_of_a_failed_task_is_recorded_and_no_acceptance_is_offered(project: Project) -> None:
    text = changed(
        ("  parts:   {use: toy.split, numbers: numbers,", "  low: {use: toy.limit, numbers: numbers, at_most: 0}\n"
         "  parts:   {use: toy.split, numbers: low,"),
    )  # fmt: skip
    write_suite(project.folder, text)
    said = project.harness("run", SUITE)
    assert said.code == 5
    failed = [t for t in project.latest["tasks"] if t["state"] == "failed"]
    assert [t["node"] for t in failed] == ["low"]
    assert failed[0]["wall_s"] > 0
    assert "cannot become one" in said.out
    assert "harness accept" not in said.out


def test_a_matrix_that_nobody_runs_is_refused_with_its_size(project: Project) -> None:
    values = ", ".join(f"{(i + 1) / 1000}" for i in range(600))
    powers = ", ".join(str(i + 1) for i in range(400))
    text = changed(
        ("  model.rate: [0.1, 0.2]\n", f"  model.rate: [{values}]\n  fit.power: [{powers}]\n"), text=TOY
    )
    write_suite(project.folder, text.replace("reference: {model.loss: square, model.rate: 0.1}\n", ""))
    said = project.harness("plan", SUITE)
    assert said.code == 2
    assert "a matrix of 480,000 points; at most 200,000" in said.error


def test_an_unpinned_source_is_named_with_its_place(project: Project) -> None:
    write_suite(
        project.folder,
        "suite: own/data\nsubject: [parts]\nstages:\n"
        "  rsicd: {use: rsicd.load, source: some/set@unpinned}\n"
        "  named: {use: folders.relabel, images: rsicd, classes: {A: [a], B: [b]}}\n"
        "  parts: {use: folders.split, images: named, held_out: 0.5}\n"
        "  model: {use: land_cover.train, train: parts.train, validation: parts.held_out, weights: null}\n"
        "  said:  {use: land_cover.predict, classifier: model, images: parts.held_out}\n"
        "metrics:\n  scores: {use: classification.scores, predictions: said}\n",
    )
    said = project.harness("plan", SUITE)
    assert said.code == 2
    assert said.error.startswith(f"{Path(SUITE)}:4: rsicd: some/set@unpinned: not in a mirror")


def test_calibrating_shows_the_noise_of_each_gate_and_a_margin(project: Project) -> None:
    write_suite(project.folder)
    said = project.harness("calibrate", SUITE, "--repeats", "4")
    assert said.code == 0
    assert "fit.error" in said.out
    assert "4 seeds a side" in said.out
    assert said.out.count("proposed") >= 2
    a, b = ({s for t in json.loads((f / "run.json").read_text())["tasks"] for s in t["seeds"].values()} for f in (
        project.folder / "reports/toy/centre/calibrate" / side for side in "ab"
    ))  # fmt: skip
    assert len(a) == len(b) == 4
    assert not a & b


def test_calibrating_needs_a_gate_and_three_repeats(project: Project) -> None:
    write_suite(project.folder)
    assert "at least 3" in project.harness("calibrate", SUITE, "--repeats", "2").error
    write_suite(project.folder, TOY.partition("gate:")[0])
    assert "no gate to calibrate" in project.harness("calibrate", SUITE).error
