"""What is shown while a run goes on."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from toy_suites import write_suite

from harness import suite
from harness.engine.plan import make
from harness.engine.runner import Event
from harness.report.console import ReportConsole, RunProgress


def test_the_live_bar_stays_on_the_terminal_while_a_stage_has_stderr(tmp_path: Path) -> None:
    """A stage's ``sys.stderr`` is its log; the bar once went there too, frame by frame."""
    plan = make(suite.load(write_suite(tmp_path)))
    task = next(iter(plan.tasks.values()))
    terminal, log = io.StringIO(), io.StringIO()
    with RunProgress(ReportConsole(file=terminal, force_terminal=True, width=80), plan) as progress:
        progress(Event("started", task))
        with contextlib.redirect_stderr(log):
            progress(Event("progress", task, 7, 9, "epochs"))
            progress._live.refresh()
        progress(Event("executed", task))
    assert "7/9 epochs" in terminal.getvalue()
    assert "✓" in terminal.getvalue()
    assert log.getvalue() == ""


def test_without_a_terminal_there_is_one_line_per_finished_task(tmp_path: Path) -> None:
    plan = make(suite.load(write_suite(tmp_path)))
    first, second = list(plan.tasks.values())[:2]
    said = io.StringIO()
    with RunProgress(ReportConsole(file=said, width=80), plan) as progress:
        for event in ("started", "progress", "executed"):
            progress(Event(event, first, 1, 1, "epochs" if event == "progress" else ""))
        progress(Event("failed", second, what="it broke"))
    lines = said.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"✓ 1/{len(plan.keys)} {first.node}")
    assert lines[1].endswith("it broke")


def test_a_log_has_no_right_margin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    plan = make(suite.load(write_suite(tmp_path)))
    said = io.StringIO()
    with RunProgress(ReportConsole(file=said), plan) as progress:
        progress(
            Event("failed", next(iter(plan.tasks.values())), what="it broke, " * 30 + "as one line says")
        )
    assert len(said.getvalue().splitlines()) == 1


def test_an_error_of_several_lines_is_one_line(tmp_path: Path) -> None:
    plan = make(suite.load(write_suite(tmp_path)))
    task = next(iter(plan.tasks.values()))
    said = io.StringIO()
    with RunProgress(ReportConsole(file=said, width=80), plan) as progress:
        for kind in ("started", "lost", "failed"):
            progress(Event(kind, task, what="first\n::error::second\n\nthird"))  # type: ignore[arg-type]
    lost, failed = said.getvalue().splitlines()
    assert lost.endswith("first ::error::second  third")
    assert failed.endswith(": first")
