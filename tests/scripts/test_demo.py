"""The closing lines of ``make demo``: from the records of real runs, never from what was hoped for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from command_line import Project
from toy_suites import changed, write_suite

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo.py"
SUITE = changed(
    ("  model: ", "  others:  {use: toy.draw, count: 30, mean: 6}\n  model: "),
    ("metrics:\n", "metrics:\n  many: {use: toy.size, data: others}\n"),
)
BREAK = ("--set", "model.data=others")  # it learns from numbers that are elsewhere


def demo(first: Path, second: Path) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(first), str(second)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def run(project: Project, out: str, *options: str) -> Path:
    project.harness("run", "suites/suite.yaml", "--out", out, *options)
    return project.folder / out


def test_an_unchanged_and_a_broken_subject_end_as_they_should(project: Project) -> None:
    write_suite(project.folder, SUITE)
    project.accept(str(run(project, "accepted")))
    code, (first, second) = demo(run(project, "first"), run(project, "second", *BREAK))
    assert first == "first run: unchanged (2 gates)"
    assert second == "second run: regressed: fit.error, fit.within"
    assert code == 0


def test_another_verdict_is_named_with_its_reason(project: Project) -> None:
    """Without a baseline nothing was compared; a broken subject comes second, an unbroken one should not."""
    write_suite(project.folder, SUITE)
    alone = run(project, "alone")
    project.accept(str(alone))
    code, (first, second) = demo(alone, run(project, "second"))
    assert first == "first run: incomparable: nothing was compared with a baseline (expected: unchanged)"
    assert second == "second run: unchanged (2 gates) (expected: regressed)"
    assert code == 1


def test_an_inconclusive_first_run_is_not_called_unchanged(project: Project) -> None:
    """It exits with 0 as an unchanged one does."""
    narrow = changed(("fit: 0.1", "fit: 0.000001"), ("fit.within: 5%", "fit.within: 0.0001%"))
    write_suite(project.folder, narrow)
    project.accept(str(run(project, "accepted")))
    said = project.harness("run", "suites/suite.yaml", "--out", "other", "--set", "numbers.seed=8")
    code, (first, _) = demo(project.folder / "other", project.folder / "other")
    assert first.startswith("first run: in"), said.out
    assert "(expected: unchanged)" in first
    assert code == 1


def test_a_run_that_left_no_record_is_said_to_have_failed(project: Project) -> None:
    code, lines = demo(project.folder, project.folder)
    assert lines == [
        "first run: it left no record (expected: unchanged)",
        "second run: it left no record (expected: regressed)",
    ]
    assert code == 1
