"""``harness calibrate SUITE --environments DIR`` through the command line."""

from __future__ import annotations

import json
import shutil

import pytest
from command_line import Project
from disks import read_only
from toy_suites import BY_SEED, changed, write_suite

from harness.store import record_file
from harness.store.project import is_id

SUITE = "suites/suite.yaml"


def test_runs_of_several_environments_give_margins(project: Project) -> None:
    write_suite(project.folder)
    for setting in ("one", "two"):
        arguments = ("run", SUITE, "--store", f"stores/{setting}", "--out", f"runs/{setting}/toy")
        assert project.harness(*arguments).code == 4
    said = project.harness("calibrate", SUITE, "--environments", "runs")
    assert said.code == 0, said.err
    assert "2 runs of toy/centre" in said.out
    assert said.out.count("is wide enough") == 2
    assert said.out.count("largest change 0.000") == 2


def test_what_cannot_be_compared_is_refused(project: Project) -> None:
    write_suite(project.folder)
    assert project.harness("run", SUITE, "--out", "runs/one").code == 4
    refused = ("calibrate", SUITE, "--environments", "runs")
    assert "1 runs of toy/centre" in project.harness(*refused).error
    assert "not both" in project.harness(*refused, "--repeats", "4").error
    write_suite(project.folder, changed(("epochs: 5", "epochs: 6")))
    assert project.harness("run", SUITE, "--out", "runs/two").code == 4
    assert "not of one declaration" in project.harness(*refused).error
    write_suite(project.folder, changed(("gate:\n  fit: 0.1\n  fit.within: 5%\n", "")))
    assert "no gate to calibrate" in project.harness(*refused).error


@pytest.fixture
def calibrated(project: Project) -> Project:
    """A run of three seeds, and a calibration of the same suite after it."""
    write_suite(project.folder)
    assert project.harness("run", SUITE).code == 4
    assert project.harness("calibrate", SUITE).code == 0
    return project


def test_a_calibration_is_never_the_latest_run_of_its_suite(calibrated: Project) -> None:
    [run] = (r for r in calibrated.runs if is_id(r.name))
    for command in (
        ("compare", "toy/centre", "--json"),
        ("explain", "toy/centre", "fit"),
        ("export", "toy/centre", "numbers", "--to", "out"),
        ("leaderboard", "toy/centre", "--to", "board"),
        ("accept", "toy/centre", "--reason", "first figures"),
    ):
        said = calibrated.harness(*command)
        assert said.err.count("harness: ") == 0, said
    body = json.loads((calibrated.folder / "board" / "leaderboard.json").read_text())
    assert run.name in json.dumps(body)
    accepted = record_file.load(calibrated.folder / "baselines/toy/centre/cpu.json")
    assert accepted.id == run.name
    assert {s for t in accepted.tasks for s in t.seeds.values()} == {0, 1, 2}


def test_a_calibration_alone_is_no_run(calibrated: Project) -> None:
    [run] = (r for r in calibrated.runs if is_id(r.name))
    shutil.rmtree(run)
    for text in ("toy/centre", "a", "b", "toy/centre/calibrate"):
        assert calibrated.harness("compare", text).error.endswith("(latest: none yet)")


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_side_of_a_calibration_is_not_accepted_even_by_its_path(calibrated: Project, side: str) -> None:
    folder = calibrated.folder / "reports/toy/centre/calibrate" / side
    copy = calibrated.folder / "reports/toy/centre" / record_file.load(folder).id
    shutil.copytree(folder, copy)
    for run in (folder, folder / "run.json", copy):
        said = calibrated.harness("accept", str(run), "--reason", "no")
        assert (said.code, said.error.partition(" ")[0]) == (2, "run"), said
        assert said.error.endswith("is one side of a calibration; accept a run of the suite (harness run)")
    assert "one side of a calibration cannot become one" in calibrated.harness("compare", str(folder)).out
    assert not (calibrated.folder / "baselines").exists()


def test_sides_of_calibrations_are_no_runs_of_an_environment(calibrated: Project) -> None:
    said = calibrated.harness("calibrate", SUITE, "--environments", "reports")
    assert "reports holds 1 runs of toy/centre" in said.error


@pytest.mark.parametrize("below", ["", "toy/centre/calibrate", "toy/centre/calibrate/b"])
def test_read_only_reports_are_met_before_a_side_runs(project: Project, below: str) -> None:
    write_suite(project.folder)
    reports = project.folder / "reports"
    (reports / below).mkdir(parents=True)
    with read_only(reports / below):
        said = project.harness("calibrate", SUITE)
    assert said.code == 2
    assert "no place for a run" in said.error
    assert not (project.folder / ".harness").exists()
    assert project.runs == []


def test_a_stage_that_fails_is_a_failed_task_and_no_mistake_of_the_suite(project: Project) -> None:
    limited = "  low:     {use: toy.limit, numbers: parts.train, at_most: -9}\n  model:"
    write_suite(project.folder, changed(("  model:", limited), ("data: parts.train", "data: low")))
    said = project.harness("calibrate", SUITE)
    assert said.code == 5, said
    assert said.error.startswith("calibrate: 1 task failed, first low: ")
    assert (project.folder / "reports/toy/centre/calibrate/a/run.json").is_file()


def test_where_repeats_read_files_of_their_own_those_of_all_seeds_are_looked_up_first(
    project: Project,
) -> None:
    (project.folder / "out").mkdir()
    for seed in range(6):
        rows = [f"tile-{i},{'ab'[i % 2]},{'ab'[(i + (i * 7 + seed) % 5 // 4) % 2]}" for i in range(40)]
        (project.folder / "out" / f"seed-{seed}.csv").write_text(
            "\n".join(["item,label,prediction", *rows]) + "\n"
        )
    file = write_suite(project.folder, BY_SEED, "own.yaml")
    said = project.harness("calibrate", file)
    assert said.code == 0, said.err
    assert "3 seeds a side" in said.out
    (project.folder / "out" / "seed-5.csv").unlink()
    missing = project.harness("calibrate", file)
    assert missing.code == 2
    assert "seed-5.csv" in missing.error
