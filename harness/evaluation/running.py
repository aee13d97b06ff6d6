"""A suite's run to its verdict, in steps: what can be wrong is found, then tasks run, then the reports are written.

The steps are apart: several suites are all checked before the first of them runs, and the verdict is told before the
pages are written, which may fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from harness.compare import Comparison
from harness.compare.planning import is_open
from harness.evaluation.baseline_choice import Against, Case, Opponent, case, settle
from harness.evaluation.looks import looks_of, plans
from harness.evaluation.preparing import Prepared, Request, check_fresh, prepare
from harness.evaluation.reporting import context
from harness.evaluation.session import Session
from harness.report.files import check_free, check_writable, write_reports, write_run
from harness.report.html.context import Context
from harness.store import project as places
from harness.store.needs import note_run
from harness.store.record import Looks, Run
from harness.suite import Suite


@dataclass(frozen=True)
class Goal:
    """What a run shall end in."""

    out: Path | None = None
    """The run's folder; None: a new one below ``reports/`` in the project."""
    fresh: tuple[str, ...] = ()
    """Stages to execute again, even if the store has their results."""
    against: Against = field(default_factory=Against)
    strict: bool = False
    """Whether an inconclusive verdict has an exit code of its own."""
    most_seeds: int | None = None
    """Seeds are added until no gate is inconclusive or this number is reached; None: the suite's own seeds."""


@dataclass(frozen=True)
class Ready:
    """A suite in which nothing is wrong that can be known before it runs."""

    request: Request
    goal: Goal
    prepared: Prepared
    looks: Looks | None
    settled: Opponent | None = None
    """What is compared with, as it was before the run; None for the label of the device that it will have run on."""

    @property
    def suite(self) -> Suite:
        return self.prepared.plan.suite

    def close(self) -> None:
        """End what the executor has started."""
        self.prepared.executor.close()


@dataclass(frozen=True)
class Judged:
    """A run that is recorded and compared, and from which the reports are made."""

    ready: Ready
    folder: Path
    held: Case

    @property
    def run(self) -> Run:
        return self.held.candidate.run

    @property
    def comparison(self) -> Comparison:
        return self.held.comparison

    def report(self) -> Context:
        """Write the reports; returns what they are made from.

        Raises:
            ReportError: the run's folder cannot be written.
        """
        made_from = context(self.held, self.folder, self.ready.suite.project, self.ready.prepared.store)
        write_reports(made_from)
        return made_from


def ready(request: Request, goal: Goal) -> Ready:
    """Find everything that is wrong with a suite, its sources, its baseline and the places that a run writes to.

    Raises:
        UsageError: something is wrong.
    """
    prepared = prepare(request, download=True, most_seeds=goal.most_seeds)
    try:
        suite, project = prepared.plan.suite, prepared.plan.suite.project
        check_fresh(goal.fresh, suite)
        settled = settle(project, goal.against, suite.name, request.suite, goal.out)
        check_writable(places.reports(project, suite.name)) if goal.out is None else check_free(goal.out)
        looks = (
            None
            if goal.most_seeds is None
            else looks_of(prepared.plan, goal.against, goal.most_seeds, request.suite)
        )
    except BaseException:
        prepared.executor.close()
        raise
    return Ready(request, goal, prepared, looks, settled)


@contextmanager
def all_ready(requests: Sequence[Request], goal: Goal) -> Iterator[list[Ready]]:
    """Make several suites ready before the first of them runs.

    Raises:
        UsageError: something is wrong with one of them.
    """
    found: list[Ready] = []
    try:
        for request in requests:
            found.append(ready(request, goal))
        yield found
    finally:
        for one in found:
            one.close()


def evaluate(ready: Ready, console: Console, arguments: Sequence[str] | None = None) -> Judged:
    """Run a suite, write its record and compare it.

    Args:
        ready: the suite.
        console: shows the progress.
        arguments: those of the command that does the same, for the record; by default those of this process.

    Raises:
        StoreError, ReportError: the store, or the run's folder, cannot be written.
        UsageError: what to compare with has changed since ``ready``.
    """
    prepared, goal, project = ready.prepared, ready.goal, ready.suite.project
    looked = [(prepared.plan, None)] if ready.looks is None else plans(prepared.plan, ready.looks)
    with Session(prepared, console, goal.fresh, arguments) as session:
        for plan, look in looked:
            run, logs = session.run(plan)
            run = replace(run, looks=look)
            folder = goal.out or places.reports(project, run.suite) / run.id
            write_run(run, folder, prepared.store, logs)
            note_run(prepared.store, folder, project)
            held = case(folder, project, goal.against, ready.request.suite, ready.settled)
            held = replace(held, comparison=replace(held.comparison, strict=goal.strict))
            if look is None or look.taken == len(look.seeds) or not is_open(held.comparison):
                break
            told = f"look {look.taken} of {len(look.seeds)}, {look.seeds[look.taken - 1]} seeds: still open"
            console.print(told, markup=False, highlight=False)
    return Judged(ready, folder, held)


def as_arguments(request: Request, goal: Goal) -> list[str]:
    """The arguments of ``harness`` that do the same as a request, in one suite's record."""
    where, against = request.where, goal.against
    one = {
        "--mirror": request.mirror,
        "--store": request.store,
        "--executor": where.executor,
        "--jobs": where.jobs,
        "--address": where.address,
        "--inside": where.inside,
        "--out": goal.out,
        "--baseline": against.baseline,
        "--baseline-ref": against.ref,
        "--max-seeds": goal.most_seeds,
    }
    several = {"--set": request.set, "--only": request.only, "--fresh": goal.fresh}
    words = ["run", str(request.suite.absolute())]
    words += [word for option, values in several.items() for value in values for word in (option, value)]
    words += [word for option, value in one.items() if value is not None for word in (option, str(value))]
    words += ["--until-conclusive"] if goal.most_seeds is not None else []
    words += ["--strict"] if goal.strict else []
    return [*words, "--no-proposals"] if not against.proposals else words
