"""The main job: a suite is prepared, run, recorded, compared with its baseline, and reported."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness import project as places
from harness import streams
from harness import suite as suites
from harness.artifact import Json
from harness.assemble import Invocation, assemble, failure_logs, gate_infos
from harness.commands.again import context
from harness.commands.judge import Against, case, check
from harness.commands.until_conclusive import looks_of, plans
from harness.compare.looks import is_open
from harness.errors import Exit, UsageError, nearest
from harness.executors.local import LocalExecutor
from harness.plan import Plan, make
from harness.record import Run
from harness.report import github
from harness.report.console import ReportConsole
from harness.report.files import check_free, check_writable, write_reports, write_run
from harness.report.markdown import append_step_summary, render
from harness.report.progress import RunProgress
from harness.report.terminal import print_comparison
from harness.run import Runner
from harness.sources import resolve
from harness.store import Store

if TYPE_CHECKING:
    pass


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


class Session:
    """One invocation: plans of a suite that grows by seeds run one after the other, each task at most once.

    Args:
        prepared: the first plan, and the store.
        console: shows the progress.
        fresh: stages to execute again, whatever the store has.

    Raises:
        UsageError: ``fresh`` names no stage.
    """

    def __init__(self, prepared: Prepared, console: Console, fresh: Sequence[str] = ()) -> None:
        nodes = prepared.plan.suite.nodes
        for name in fresh:
            if name not in nodes:
                raise UsageError(f"--fresh {name}: no such stage{nearest(name, nodes)}")
        self._sources = prepared.sources
        self._console = console
        self._runner = Runner(prepared.store, LocalExecutor(), frozenset(fresh))
        self._invocation, self._started = (
            Invocation.now(places.reports(prepared.plan.suite.project)),
            time.monotonic(),
        )
        self._settled = 0

    def run(self, plan: Plan) -> tuple[Run, Mapping[str, Path]]:
        """Run what of a plan has not run yet. A store that has all of it is only read.

        Returns:
            The record of the whole plan, and the logs of the tasks that failed, by name.

        Raises:
            UsageError: something has to be executed, and the store cannot be written.
        """
        if self._runner.lacks(plan):
            self._runner.store.check_writable()
            self._runner.store.note_project(plan.suite.project)
            self._runner.store.tidy()
        with RunProgress(self._console, plan, self._settled) as progress:
            self._runner.tell = progress
            outcomes = self._runner.run(plan)
        self._settled = len(plan.keys)
        wall_s = time.monotonic() - self._started
        run = assemble(plan, outcomes, self._invocation, wall_s, self._sources, self._runner.store)
        return run, failure_logs(outcomes)


def execute(
    prepared: Prepared, console: Console, fresh: Sequence[str] = ()
) -> tuple[Run, Mapping[str, Path]]:
    """Run a prepared suite: its record, and the logs of the tasks that failed, by name."""
    return Session(prepared, console, fresh).run(prepared.plan)


def evaluate(
    request: Request,
    *,
    out: Path | None,
    fresh: Sequence[str],
    against: Against,
    strict: bool,
    most_seeds: int | None = None,
) -> Exit:
    """Run a suite to its verdict: what ``harness run`` does.

    With ``most_seeds``, seeds are added until no gate is inconclusive or there are so many.
    """
    prepared = prepare(request, download=True)
    suite, project = prepared.plan.suite, prepared.plan.suite.project
    check(project, against, suite.name, request.suite, gate_infos(suite))
    check_writable(places.reports(project, suite.name)) if out is None else check_free(out)
    looks = None if most_seeds is None else looks_of(prepared.plan, against, most_seeds)
    progress = ReportConsole(streams.err())
    session = Session(prepared, progress, fresh)
    for plan, look in [(prepared.plan, None)] if looks is None else plans(prepared.plan, looks):
        run, logs = session.run(plan)
        run = replace(run, looks=look)
        folder = out or places.reports(project, run.suite) / run.id
        write_run(run, folder, prepared.store, logs)
        held = case(folder, project, against, request.suite)
        comparison = held.comparison
        if look is None or look.taken == len(look.seeds) or not is_open(comparison):
            break
        told = f"look {look.taken} of {len(look.seeds)}, {look.seeds[look.taken - 1]} seeds: still open"
        progress.print(told, markup=False, highlight=False)
    console = ReportConsole()
    print_comparison(console, run, comparison, strict=strict)  # before the pages: whatever befalls them
    github.annotate(comparison, suite)
    told_of = context(held, folder, project, prepared.store)
    write_reports(told_of)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            append_step_summary(Path(summary), render(run, comparison, changes=told_of.changes))
        except UsageError as e:  # a courtesy: the verdict stands without it
            streams.warn(str(e))
    console.print(
        f"report: {folder / 'report.html'}", style="dim", markup=False, highlight=False, soft_wrap=True
    )
    return comparison.exit(strict=strict)
