from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Project, Said
from copies import Copies
from toy_evidence import EIGHT, SUITE, TEXT
from toy_suites import write_suite

from harness.compare.planning import advised

UNTIL = ("--until-conclusive", "--max-seeds")


def accept_eight(project: Project) -> None:
    write_suite(project.folder, EIGHT)
    assert project.harness("run", SUITE).code == 4
    project.accept()


@pytest.fixture
def eight(project: Project, copies: Copies) -> Project:
    """A suite of three seeds, whose baseline was accepted with eight."""
    copies.fill(project, accept_eight)
    write_suite(project.folder, TEXT)
    return project


def looks(project: Project) -> tuple[list[int], int]:
    """The declared looks of the newest run, and how many were taken."""
    body = project.latest["looks"]
    assert project.latest["comparison"]["looks"] == body
    return body["seeds"], body["taken"]


def finding(project: Project) -> dict[str, Any]:
    (found,) = (f for f in project.latest["comparison"]["findings"] if f["gated"])
    return dict(found)


def seeds(project: Project) -> list[int]:
    (score,) = project.latest["scores"]
    return [r["seeds"]["model.seed"] for r in score["repeats"]]


def until(project: Project, *setting: str, most: int = 8) -> Said:
    sets = [word for one in setting for word in ("--set", one)]
    return project.harness("run", SUITE, *UNTIL, str(most), *sets)


def test_a_clear_case_ends_at_the_first_look(eight: Project) -> None:
    said = until(eight, "model.rate=0.12")
    assert said.code == 0, said.err
    assert (looks(eight), seeds(eight)) == (([3, 5, 8], 1), [0, 1, 2])
    assert finding(eight)["verdict"] == "unchanged"
    assert finding(eight)["estimate"]["confidence"] == pytest.approx(1 - 0.1 / 3)
    assert "look 1 of 3 (declared: 3, 5, 8 seeds), every claim at 1.67 % instead of 5 %" in said.out


def test_another_takes_a_further_look_with_the_seeds_that_follow(eight: Project) -> None:
    said = until(eight, "model.epochs=4")
    assert said.code == 0, said.err
    assert "look 1 of 3, 3 seeds: still open\n" in said.err
    assert (looks(eight), seeds(eight)) == (([3, 5, 8], 2), [0, 1, 2, 3, 4])
    assert (finding(eight)["verdict"], finding(eight)["estimate"]["repeats"]) == ("unchanged", 5)
    assert finding(eight)["estimate"]["paired"]
    states = [t["state"] for t in eight.latest["tasks"] if t["node"] == "model"]
    assert states == ["executed"] * 5  # of this run, whichever look it was
    report = (eight.runs[-1] / "report.md").read_text()
    assert "look 2 of 3" in report
    assert "96.7 % interval" in report
    assert "look 2 of 3" in (eight.runs[-1] / "junit.xml").read_text()


def test_one_that_stays_open_ends_at_the_last_look_and_says_what_it_would_take(eight: Project) -> None:
    said = until(eight, "model.window=[2, 1.0]")
    assert said.code == 0, said.err
    assert (looks(eight), seeds(eight)) == (([3, 5, 8], 3), list(range(8)))
    found = finding(eight)
    assert found["verdict"] == "inconclusive"
    most = advised(3, 8 + found["more_repeats"], eight.latest["looks"]["alpha"])
    assert (
        f"harness extend toy/centre/cpu --seeds {most}  (unless the baseline has as many seeds)" in said.out
    )
    assert f"--until-conclusive --max-seeds {most}" in said.out
    assert eight.harness("compare", "toy/centre", "--strict").code == 3


def test_a_stored_run_is_compared_at_the_level_of_its_looks(eight: Project) -> None:
    until(eight, "model.rate=0.12")
    comparison = eight.harness("compare", "toy/centre", "--json").json
    assert comparison["looks"] == eight.latest["looks"]
    assert comparison["findings"] == eight.latest["comparison"]["findings"]


def test_no_look_is_declared_beyond_the_seeds_of_the_baseline(project: Project) -> None:
    write_suite(project.folder, TEXT)
    project.harness("run", SUITE)
    project.accept()
    said = until(project, "model.window=[2, 1.0]")
    assert said.code == 0, said.err
    assert looks(project) == ([3], 1)
    assert finding(project)["verdict"] == "inconclusive"
    assert finding(project)["estimate"]["confidence"] == 0.9
    advice = "no more than 3 seeds pair with the baseline; first: harness extend toy/centre/cpu --seeds 8"
    assert advice in said.out


def test_without_a_baseline_it_is_the_plain_run(project: Project) -> None:
    write_suite(project.folder, TEXT)
    assert until(project).code == 4
    assert looks(project) == ([3], 1)


def test_the_run_may_be_accepted_and_then_has_all_its_seeds(eight: Project) -> None:
    until(eight, "model.epochs=4")
    assert eight.harness("accept", "toy/centre", "--reason", "fewer epochs").code == 0
    body = json.loads((eight.folder / "baselines/toy/centre/cpu.json").read_text())
    assert body["declaration"]["seeds"] == {"model.seed": [0, 1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--max-seeds", "8"], "--until-conclusive and --max-seeds N go together"),
        (["--until-conclusive"], "--until-conclusive and --max-seeds N go together"),
        ([*UNTIL, "2"], "--max-seeds 2: the suite has 3 already"),
        ([*UNTIL, "20000"], "10,000 are the most"),
        ([*UNTIL, "8", "--set", "model.seed=1"], "the suite sweeps none"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    project: Project, arguments: list[str], told: str
) -> None:
    write_suite(project.folder, TEXT)
    said = project.harness("run", SUITE, *arguments)
    assert (said.code, told in said.error) == (2, True), said.err
    assert not Path(".harness/objects").exists()
