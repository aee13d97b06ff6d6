"""The main job: a suite is prepared, run, recorded, compared with its baseline, and reported."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness import project as places
from harness import suite as suites
from harness.artifact import Json
from harness.assemble import Invocation, assemble, failure_logs, gate_infos
from harness.errors import Exit, UsageError, nearest
from harness.executors.local import LocalExecutor
from harness.judge import Against, check, judge
from harness.plan import Plan, make
from harness.record import Run
from harness.report.console import ReportConsole
from harness.report.files import check_writable, write_reports, write_run
from harness.report.markdown import append_step_summary, render
from harness.report.progress import RunProgress
from harness.report.terminal import print_comparison
from harness.run import Runner
from harness.sources import resolve
from harness.store import Store


@dataclass(frozen=True)
class Request:
    """Which suite, changed how."""

    suite: Path
    set: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    mirror: Path | None = None
    store: Path | None = None


@dataclass(frozen=True)
class Prepared:
    """A suite that is ready to run."""

    plan: Plan
    store: Store
    sources: list[dict[str, Json]]


def prepare(request: Request, *, download: bool) -> Prepared:
    """Load, resolve and plan: every mistake in the suite is found here, before anything runs."""
    suite = suites.load(request.suite, set_=request.set)
    only = suites.parse_only(suite, request.only)
    store = Store(places.store_root(request.store, suite.project))
    suite, sources = resolve(suite, mirror=places.mirror(request.mirror), store=store, download=download)
    return Prepared(make(suite, only=only), store, sources)


def execute(
    prepared: Prepared, console: Console, fresh: Sequence[str] = ()
) -> tuple[Run, Mapping[str, Path]]:
    """Run a prepared suite.

    Returns:
        The record, and the logs of the tasks that failed, by name.
    """
    plan, store = prepared.plan, prepared.store
    for name in fresh:
        if name not in plan.suite.nodes:
            raise UsageError(f"--fresh {name}: no such stage{nearest(name, plan.suite.nodes)}")
    store.check_writable()
    invocation, started = Invocation.now(), time.monotonic()
    with RunProgress(console, plan) as progress:
        outcomes = Runner(store, LocalExecutor(), frozenset(fresh), progress).run(plan)
    run = assemble(plan, outcomes, invocation, time.monotonic() - started, prepared.sources)
    return run, failure_logs(outcomes)


def evaluate(
    request: Request, *, out: Path | None, fresh: Sequence[str], against: Against, strict: bool
) -> Exit:
    """Run a suite to its verdict: what ``harness run`` does."""
    prepared = prepare(request, download=True)
    suite, project = prepared.plan.suite, prepared.plan.suite.project
    check(project, against, suite.name, request.suite, gate_infos(suite))
    check_writable(out or places.reports(project, suite.name))
    run, logs = execute(prepared, ReportConsole(file=sys.stderr), fresh)
    folder = out or places.reports(project, run.suite) / run.id
    write_run(run, folder, prepared.store, logs)
    comparison = judge(folder, project, against, request.suite)
    write_reports(run, comparison, folder)
    console = ReportConsole()
    print_comparison(console, run, comparison, strict=strict)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            append_step_summary(Path(summary), render(run, comparison))
        except UsageError as e:  # a courtesy: the verdict stands without it
            print(f"harness: {e}", file=sys.stderr)
    console.print(
        f"report: {folder / 'report.md'}", style="dim", markup=False, highlight=False, soft_wrap=True
    )
    return comparison.exit(strict=strict)
