"""``harness run``: prepares a suite, runs and records it, compares it with its baseline and writes the reports.

Also contains ``--until-conclusive`` (the looks of a run and the plan of each), and ``rewrite``, which writes the
reports again with the same verdict after something was added to a run's folder.
"""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from harness import suite as suites
from harness.artifact import Json
from harness.cli.approved_suite import gates_of
from harness.cli.baseline_choice import Against, Case, case, label_of, opponent, settle, side
from harness.cli.executor_choice import Wanted, executor
from harness.compare import Comparison, stored
from harness.compare.history import accepted
from harness.compare.planning import MOST_SEEDS, declare, is_open, useful
from harness.compare.sample import Side
from harness.compare.wording import clean, counted
from harness.engine.executors import Executor
from harness.engine.plan import Plan, make
from harness.engine.recording import Invocation, assemble, failure_logs
from harness.engine.runner import Runner
from harness.engine.shard import Shard
from harness.engine.suite_sources import resolve
from harness.errors import Exit, UsageError, nearest
from harness.report import ci, streams
from harness.report.console import ReportConsole, RunProgress
from harness.report.files import check_free, check_writable, write_reports, write_run
from harness.report.html.context import Context
from harness.report.markdown import append_step_summary, render
from harness.report.terminal import print_comparison
from harness.store import project as places
from harness.store.artifacts import Store
from harness.store.environment import device_class, environment
from harness.store.needs import note_project, note_run
from harness.store.record import Looks, Run
from harness.store.record_file import LABEL
from harness.store.tiers import open_store
from harness.store.upkeep import tidy
from harness.suite import Suite, continued


def main(o: Namespace) -> Exit:
    """``harness run``."""
    if o.until_conclusive != (o.max_seeds is not None):
        raise UsageError(
            "run: --until-conclusive and --max-seeds N go together: the looks are fixed beforehand"
        )
    if o.no_proposals and o.baseline_ref is None:
        raise UsageError("run: --no-proposals goes with --baseline-ref")
    against = Against(o.baseline, o.baseline_ref, proposals=not o.no_proposals)
    if o.shard is not None:
        if o.out or o.baseline or o.baseline_ref or o.until_conclusive or o.strict:
            raise UsageError(
                "run: --shard gives no verdict; leave that to a run without it on the same store"
            )
        return run_shard(requested(o), o.shard, o.fresh)
    return evaluate(
        requested(o), out=o.out, fresh=o.fresh, against=against, strict=o.strict, most_seeds=o.max_seeds
    )


def requested(o: Namespace) -> Request:
    """Turn the arguments of ``run``, ``plan`` or ``calibrate`` into a request."""
    return Request(o.suite, tuple(o.set), tuple(o.only), o.mirror, o.store, Wanted.of(o))


@dataclass(frozen=True)
class Request:
    """A suite file and the changes to it."""

    suite: Path
    set: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    mirror: Path | None = None
    store: Path | None = None
    where: Wanted = field(default_factory=Wanted)


@dataclass(frozen=True)
class Prepared:
    """A suite that is ready to run."""

    plan: Plan
    store: Store
    executor: Executor
    sources: list[dict[str, Json]]


def prepare(request: Request, *, download: bool, most_seeds: int | None = None) -> Prepared:
    """Load, resolve and plan. Every mistake in the suite is found here, before anything runs.

    With ``most_seeds`` the sources of that many repeats are looked up, where each repeat has its own.
    """
    suite = suites.load(request.suite, set_=request.set)
    only = suites.parse_only(suite, request.only)
    runs_tasks = executor(request.where, suite.project)
    store = open_store(request.store, suite.project)
    own = len(suite.seeds[0].values) if suite.seeds else 0
    wider = continued(suite, most_seeds) if most_seeds is not None and most_seeds > own else suite
    found, sources = resolve(wider, mirror=places.mirror(request.mirror), store=store, download=download)
    suite = replace(found, seeds=suite.seeds)
    plan = make(suite, only=only, code=runs_tasks.code(suite, store))
    return Prepared(plan, store, runs_tasks, sources)


class Session:
    """One invocation. Runs the plans of a suite whose seeds grow one after another, each task at most once.

    Args:
        prepared: the first plan and the store.
        console: shows the progress.
        fresh: stages to execute again, even if the store has their results.

    Raises:
        UsageError: ``fresh`` has a name that is not a stage.
    """

    def __init__(self, prepared: Prepared, console: Console, fresh: Sequence[str] = ()) -> None:
        nodes = prepared.plan.suite.nodes
        for name in fresh:
            if name not in nodes:
                raise UsageError(f"--fresh {name}: no such stage{nearest(name, nodes)}")
        self._sources = prepared.sources
        self._console = console
        self._runner = Runner(prepared.store, prepared.executor, frozenset(fresh))
        self._invocation, self._started = (
            Invocation.now(places.reports(prepared.plan.suite.project)),
            time.monotonic(),
        )
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


def run_shard(request: Request, shard: Shard, fresh: Sequence[str]) -> Exit:
    """Run one part of a suite's scores into the store. There is no record and no verdict: a plain run has them."""
    prepared = prepare(request, download=True)
    part = replace(prepared, plan=shard.part(prepared.plan))
    run, _ = execute(part, ReportConsole(streams.err()), fresh)
    done = Counter(task.state for task in run.tasks)
    told = f"shard {shard.number}/{shard.of}: {done['executed']} executed, {done['cached']} cached"
    streams.say(
        f"{told}, {done['failed']} failed; a run without --shard on this store puts the parts together"
    )
    return Exit.FAILED if done["failed"] else Exit.OK


def evaluate(
    request: Request,
    *,
    out: Path | None,
    fresh: Sequence[str],
    against: Against,
    strict: bool,
    most_seeds: int | None = None,
) -> Exit:
    """Run a suite to its verdict, as ``harness run`` does.

    With ``most_seeds``, seeds are added until no gate is inconclusive or that number is reached.
    """
    prepared = prepare(request, download=True, most_seeds=most_seeds)
    suite, project = prepared.plan.suite, prepared.plan.suite.project
    settled = settle(project, against, suite.name, request.suite, out)
    check_writable(places.reports(project, suite.name)) if out is None else check_free(out)
    looks = None if most_seeds is None else looks_of(prepared.plan, against, most_seeds, request.suite)
    progress = ReportConsole(streams.err())
    with Session(prepared, progress, fresh) as session:
        for plan, look in [(prepared.plan, None)] if looks is None else plans(prepared.plan, looks):
            run, logs = session.run(plan)
            run = replace(run, looks=look)
            folder = out or places.reports(project, run.suite) / run.id
            write_run(run, folder, prepared.store, logs)
            note_run(prepared.store, folder, project)
            held = case(folder, project, against, request.suite, settled)
            held = replace(held, comparison=replace(held.comparison, strict=strict))
            comparison = held.comparison
            if look is None or look.taken == len(look.seeds) or not is_open(comparison):
                break
            told = f"look {look.taken} of {len(look.seeds)}, {look.seeds[look.taken - 1]} seeds: still open"
            progress.print(told, markup=False, highlight=False)
    console = ReportConsole()
    print_comparison(console, run, comparison)  # before the pages, which may fail
    ci.annotate(comparison, suite)
    told_of = context(held, folder, project, prepared.store)
    write_reports(told_of)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            append_step_summary(Path(summary), render(run, comparison, changes=told_of.changes))
        except UsageError as e:  # optional: the verdict holds without it
            streams.warn(str(e))
    console.print(
        f"report: {folder / 'report.html'}", style="dim", markup=False, highlight=False, soft_wrap=True
    )
    return comparison.exit()


def rewrite(folder: Path, project: Path, store: Store) -> Path:
    """Write the reports of the run in ``folder`` from its record, its comparison and the other files there.

    Args:
        folder: folder of the run.
        project: project folder that holds the baselines.
        store: store with the run's artifacts; the page lacks pictures that are not in it.

    Returns:
        Path of the page.

    Raises:
        UsageError, ReportError: the record is damaged, or the folder cannot be written.
    """
    write_reports(context(_case(folder, project), folder, project, store))
    return folder / "report.html"


def picture(folder: Path, project: Path, store: Store) -> bytes | None:
    """Draw the sheet of pictures of the run in ``folder``, a PNG; None if its gates rest on no pictures.

    Raises:
        HarnessError, OSError: the record or its evidence cannot be read.
    """
    from harness.report.html.sheet import sheet

    return sheet(context(_case(folder, project), folder, project, store))


def context(held: Case, folder: Path, project: Path, store: Store) -> Context:
    """Collect what a report is made from: both sides, the places of their evidence, and earlier accepted runs."""
    run, before = held.candidate.run, held.comparison.accepted
    history = accepted(project, run.suite, before.label if before else label_of(run))
    return Context(run, held.comparison, folder, held.candidate, held.baseline, store, history)


def _case(folder: Path, project: Path) -> Case:
    candidate = side(folder)
    comparison = stored(folder, candidate.run)
    if comparison is None:
        return case(folder, project, Against())
    return Case(comparison, candidate, _other(comparison, project))


def _other(comparison: Comparison, project: Path) -> Side | None:
    """Return the side that the run was compared with, if it has not changed since."""
    name = comparison.baseline
    if name is None:
        return None
    try:
        found, _ = opponent(project, Against(name), comparison.suite, name)
    except UsageError:
        return None
    return found if found is not None and found.run.accepted == comparison.accepted else None


def looks_of(plan: Plan, against: Against, most: int, suite_file: Path) -> Looks:
    """Choose the looks of a run from what is known before it begins.

    There is no look beyond the baseline's seeds, since further seeds would have no pair. A look without new evidence
    would only reduce the level of the others.

    Raises:
        UsageError: ``most`` is less than the suite's own number of seeds, or the suite sweeps no seed.
    """
    suite = plan.suite
    if not suite.seeds:
        raise UsageError("--until-conclusive adds seeds, and the suite sweeps none")
    own = len(suite.seeds[0].values)
    if not own <= most <= MOST_SEEDS:
        raise UsageError(f"--max-seeds {most}: the suite has {own} already, and {MOST_SEEDS:,} are the most")
    label = against.baseline or device_class(environment())
    side, name = opponent(suite.project, against, suite.name, label)
    values = {axis.field: axis.values for axis in continued(suite, most).seeds}
    reach = useful(
        values, plan.metrics, gates_of(suite, against.ref, suite_file), None if side is None else side.run
    )
    kept = max(own, reach)
    if kept == most or side is None:
        return declare(own, kept)
    return declare(own, kept, limit=_limit(suite, side, name, reach, most))


def _limit(suite: Suite, side: Side, name: str, reach: int, most: int) -> str:
    """Explain why more seeds would add no evidence."""
    if reach == 0:
        return "no seeds are added: nothing gated depends on a swept seed"
    has = f"no more than {counted(reach, 'seed')} pair with the baseline"
    accepted = side.run.accepted
    if accepted is None:
        return f"{has}: run it with {most} as well"
    is_label = LABEL.fullmatch(name) and name == accepted.label
    return f"{has}; first: harness extend {f'{suite.name}/{name}' if is_label else name} --seeds {most}"


def plans(plan: Plan, looks: Looks) -> Iterator[tuple[Plan, Looks]]:
    """Yield for each look the plan to run, and the looks as recorded once it is taken."""
    for taken, seeds in enumerate(looks.seeds, start=1):
        yield make(continued(plan.suite, seeds), only=plan.only, code=plan.code), replace(looks, taken=taken)
