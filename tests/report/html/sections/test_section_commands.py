from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from report.html.contexts import BASELINE, context, typed
from report.test_golden import RUN

from harness.report.html.sections.commands import commands
from harness.store.record import Run


def ran(*command: str) -> Run:
    return replace(
        RUN, tasks=(), provenance={"commit": "abc", "dirty": False, "command": ["harness", *command]}
    )


def test_the_command_that_reproduces_is_the_one_that_was_typed(tmp_path: Path) -> None:
    run = ran("run", "suites/a b.yaml", "--set", "train.classes=[x, y]")
    lines = typed(commands(context(tmp_path, run=run)))["Reproduce this run"]
    assert lines == (
        "git checkout abc",
        "# in the image sha256:0123456789abcdef",
        "harness run 'suites/a b.yaml' --set 'train.classes=[x, y]'",
    )


def test_an_inconclusive_verdict_has_the_commands_that_decide_it(tmp_path: Path) -> None:
    run = replace(ran("run", "suites/toy.yaml"), declaration={"seeds": {"train.seed": [0, 1, 2, 3, 4]}})
    found = typed(commands(context(tmp_path, run=run)))
    assert found["Decide what is inconclusive"] == (
        "harness extend smoke/land-cover/cpu --seeds 16",
        "harness run suites/toy.yaml --until-conclusive --max-seeds 16",
    )
    assert found["See what was committed since the baseline"] == (
        f"git log --oneline {BASELINE.provenance['commit']}..abc",
    )
    assert "harness explain" in found["See the items that moved a metric most"][0]


def test_a_run_in_the_reports_of_its_project_goes_by_its_id(tmp_path: Path) -> None:
    run = ran("run", "suites/toy.yaml")
    folder = tmp_path / "reports" / run.suite / run.id
    inside = typed(commands(context(folder, run=run)))["Accept it as the baseline"]
    assert inside == (f"harness accept {run.id} --reason '…'",)
    elsewhere = typed(commands(context(tmp_path, run=run)))["Accept it as the baseline"]
    assert str(tmp_path) in elsewhere[0]


def test_what_cannot_become_a_baseline_is_offered_no_command_to_make_it_one(tmp_path: Path) -> None:
    assert "Accept it as the baseline" not in typed(commands(context(tmp_path)))  # a task of it failed
