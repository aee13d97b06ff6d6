"""One invocation of a suite: its tasks are executed, and its record is made."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from harness.compare.wording import clean, counted
from harness.engine.plan import Plan
from harness.engine.recording import Invocation, assemble, failure_logs
from harness.engine.runner import Runner
from harness.evaluation.preparing import Prepared, check_fresh
from harness.report import streams
from harness.report.console import RunProgress
from harness.store import project as places
from harness.store.needs import note_project
from harness.store.record import Run
from harness.store.upkeep import tidy


class Session:
    """One invocation. Runs the plans of a suite whose seeds grow one after another, each task at most once.

    Args:
        prepared: the first plan and the store.
        console: shows the progress.
        fresh: stages to execute again, even if the store has their results.
        arguments: those of the command that does the same, for the record; by default those of this process.

    Raises:
        UsageError: ``fresh`` has a name that is not a stage.
    """

    def __init__(
        self,
        prepared: Prepared,
        console: Console,
        fresh: Sequence[str] = (),
        arguments: Sequence[str] | None = None,
    ) -> None:
        check_fresh(fresh, prepared.plan.suite)
        self._sources = prepared.sources
        self._console = console
        self._runner = Runner(prepared.store, prepared.executor, frozenset(fresh))
        reports = places.reports(prepared.plan.suite.project)
        self._invocation, self._started = Invocation.now(reports, arguments), time.monotonic()
        self._settled = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.executor.close()

    def run(self, plan: Plan) -> tuple[Run, Mapping[str, Path]]:
        """Run the tasks of a plan that have not run yet. If the store has all results, it is only read.

        Returns:
            The record of the whole plan, and the logs of failed tasks by name.

        Raises:
            UsageError: something has to be executed, but the store cannot be written.
        """
        if self._runner.lacks(plan):
            self._runner.store.check_writable()
            tidy(self._runner.store)
        note_project(self._runner.store, plan.suite.project)
        with RunProgress(self._console, plan, self._settled) as progress:
            self._runner.tell = progress
            outcomes = self._runner.run(plan)
        if lost := self._runner.store.not_pushed:
            streams.warn(f"kept on this machine alone: {counted(len(lost), 'result')} ({clean(lost[0])})")
        self._settled = len(plan.keys)
        wall_s = time.monotonic() - self._started
        run = assemble(plan, outcomes, self._invocation, wall_s, self._sources, self._runner.store)
        return run, failure_logs(outcomes)


def execute(
    prepared: Prepared, console: Console, fresh: Sequence[str] = ()
) -> tuple[Run, Mapping[str, Path]]:
    """Run a prepared suite; return its record, and the logs of failed tasks by name."""
    with Session(prepared, console, fresh) as session:
        return session.run(prepared.plan)
