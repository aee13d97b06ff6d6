"""``harness rescore``: recomputes metrics whose code has changed, from the stored artifacts of a baseline."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.artifact import Json
from harness.cli.requested import wanted
from harness.compare.acceptance import check_place, renew
from harness.compare.baseline import Baseline, named
from harness.compare.differences import declared_differences
from harness.compare.wording import clean, counted, listed, point, together
from harness.engine import from_record
from harness.engine.attempt import Outcome
from harness.engine.executors import Executor
from harness.engine.keys import task_key
from harness.engine.plan import Plan, PlannedRepeat, PlannedScore, Task, TaskId, make
from harness.engine.recording import declaration, distributions, item_rows
from harness.engine.runner import Runner
from harness.errors import Exit, UsageError
from harness.evaluation.executor_choice import executor
from harness.formats.strict_json import canonical
from harness.report import streams
from harness.report.console import ReportConsole, RunProgress, label
from harness.store import project as places
from harness.store.artifacts import Store
from harness.store.entries import ONLY, read_of
from harness.store.environment import environment
from harness.store.items import ItemRows
from harness.store.needs import note_project
from harness.store.record import Repeat, Run, Score, environment_id
from harness.store.tiers import open_store
from harness.suite.typed import to_json


def main(o: Namespace) -> Exit:
    """``harness rescore``."""
    runs_tasks = executor(wanted(o), places.of(Path.cwd()))
    return rescore(o.baseline, runs_tasks, accept=o.accept, mirror=o.mirror, store=o.store, as_json=o.json)


def rescore(
    baseline: str,
    runs_tasks: Executor,
    *,
    accept: str | None,
    mirror: Path | None,
    store: Path | None,
    as_json: bool = False,
) -> Exit:
    """Show the new value of every changed metric next to the old one; with ``accept``, replace the old one.

    Only metrics run. Their inputs come from the store, even if the code that made them has changed since.

    Raises:
        UsageError: the baseline does not exist, an artifact is no longer in the store, or ``accept`` is empty.
    """
    if accept is not None and not accept.strip():
        raise UsageError("--accept: say in a few words why the new values are right")
    project = places.of(Path.cwd())
    before, file = named(baseline, project)
    kept = open_store(store, project)
    suite, _ = from_record.suite_of(
        before.run, project, baseline, mirror=places.mirror(mirror), store=kept, download=False
    )
    today = make(suite, code=runs_tasks.code(suite, kept))
    console = ReportConsole()
    if all(s.task is not None and s.task.key == s.key for s in from_record.recorded(before.run, today)):
        return _nothing(baseline, "every metric computes what it did; nothing to rescore", as_json=as_json)
    plan = _plan(before.run, today, from_record.keys_then(before.run, today, baseline))
    if not plan.scores:
        return _nothing(baseline, "no metric has changed, only what runs before them", as_json=as_json)
    _check_stored(before.run, plan, kept, baseline)
    if accept is not None:
        check_place(file)
    runner = Runner(kept, runs_tasks)
    if runner.lacks(plan):
        kept.check_writable()
        note_project(kept, project)
    with closing(runs_tasks), RunProgress(ReportConsole(streams.err()), plan) as progress:
        runner.tell = progress
        outcomes = runner.run(plan)
    if failed := [plan.tasks[t] for t, o in outcomes.items() if o.state == "failed"]:
        told = f"{counted(len(failed), 'metric')} failed, first {label(failed[0])}"
        streams.warn(f"{told}: {outcomes[failed[0].id].error}; {baseline} stays as it was")
        return Exit.FAILED
    after = _rescored(before.run, plan, outcomes, today, kept)
    metrics = {s.metric for s in plan.scores}
    declared = [
        str(difference)
        for metric in sorted(metrics)
        for difference in declared_differences(
            metric, after.metrics[metric].fields, before.run.metrics[metric].fields
        )
    ]
    if accept is not None:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        renew(before, file, after, _rows(before, after, plan, kept), reason=accept, at=moment)
    if as_json:
        rows = [row.to_json() for row in _compared(before.run, after, metrics)]
        streams.document(_document(baseline, rows, declared, accepted=None if accept is None else file))
        return Exit.OK
    print_rescored(console, before.run, after, metrics)
    for difference in declared:
        streams.say(f"declared otherwise than when the baseline was accepted: {difference}")
    streams.say(
        f'nothing is written; to accept: harness rescore {baseline} --accept "…"'
        if accept is None
        else f"accepted: {file}"
    )
    return Exit.OK


SCHEMA = "harness.rescore/1"


def _document(
    baseline: str,
    rows: Sequence[Json],
    declared: Sequence[str] = (),
    *,
    accepted: Path | None = None,
    note: str = "",
) -> dict[str, Json]:
    where = None if accepted is None else str(accepted)
    told: dict[str, Json] = {"declared": list(declared), "accepted": where, "note": note}
    return {"schema": SCHEMA, "baseline": baseline, "scores": list(rows), **told}


def _nothing(baseline: str, why: str, *, as_json: bool) -> Exit:
    if as_json:
        streams.document(_document(baseline, [], note=why))
    else:
        streams.say(f"{baseline}: {why}")
    return Exit.OK


def _plan(run: Run, today: Plan, then: Mapping[TaskId, str]) -> Plan:
    """Return the tasks of the changed metrics, with their inputs under the recorded keys."""
    tasks: dict[TaskId, Task] = {}
    scores: list[PlannedScore] = []
    keys = {s.task.id: s.key for s in from_record.recorded(run, today) if s.task is not None}
    for score in today.scores:
        repeats = []
        for repeat in score.repeats:
            task = today.tasks[repeat.task]
            inputs = {
                n: tuple(((source[0], then[source]), output) for source, output in taken)
                for n, taken in task.inputs.items()
            }
            spelled = {p: to_json(v) for p, v in task.parameters.items()}
            taken = {n: [[key, output] for (_, key), output in refs] for n, refs in inputs.items()}
            key = task_key(today.code[task.node], spelled, taken)
            if key == keys.get(task.id):
                continue
            for source in task.sources:
                made = replace(today.tasks[source], key=then[source], inputs={})
                tasks[made.id] = made
            tasks[task.node, key] = replace(task, key=key, inputs=inputs)
            repeats.append(PlannedRepeat(repeat.seeds, (task.node, key)))
        if repeats:
            scores.append(replace(score, repeats=tuple(repeats)))
    return replace(today, tasks=tasks, scores=tuple(scores), pictures=())


def _check_stored(run: Run, plan: Plan, store: Store, name: str) -> None:
    """Check that the store has everything that the metrics read, since only metrics are run.

    It must be what they read: a stage that was executed anew since may have left other files under the same key.
    """
    gone = []
    for source in dict.fromkeys(s for task in plan.tasks.values() for s in task.sources):
        entry = store.get(source[1])
        if entry is None or not store.is_intact(entry):
            gone.append(label(plan.tasks[source]))
    if gone:
        raise UsageError(
            f"{name}: no longer in the store {store.root}: {listed(gone, 5)}; "
            "rescore where the baseline ran (--store), or accept a run anew"
        )
    others = list(_of_another_execution(run, plan, store))
    if others:
        raise UsageError(
            f"{name}: the store {store.root} has other files than were scored, from another execution: "
            f"{listed(list(dict.fromkeys(others)), 5)}; rescore where the baseline ran (--store), or accept a run anew"
        )


def _of_another_execution(run: Run, plan: Plan, store: Store) -> Iterator[str]:
    """The inputs of metrics in the store whose files are not those that the recorded values are of."""
    then = {(s.metric, canonical(s.point), canonical(r.seeds)): r.read for s in run.scores for r in s.repeats}
    for score in plan.scores:
        for repeat in score.repeats:
            task = plan.tasks[repeat.task]
            read = then.get((score.metric, canonical(score.point), canonical(repeat.seeds)))
            now = read_of(
                {n: [(store.get(s[1]), output or ONLY) for s, output in t] for n, t in task.inputs.items()}
            )
            if read is not None and now is not None and read.files != now.files:
                yield from (label(plan.tasks[s]) for s in task.sources)


@dataclass(frozen=True)
class _Rescoring:
    """Replaces the scores of a record by the recomputed ones."""

    run: Run
    today: Plan
    results: Mapping[tuple[str, str, str], tuple[str, Outcome]]
    """Metric, point and seeds → the new key and the outcome."""

    def score(self, score: Score) -> Score:
        repeats = tuple(self.repeat(score, repeat) for repeat in score.repeats)
        if repeats == score.repeats:
            return score
        meant = next(s for s in self.today.scores if s.metric == score.metric and s.point == score.point)
        settings = _own_fields(score.metric, score.settings, meant.settings)
        protocol = _own_fields(score.metric, score.protocol, meant.protocol)
        return replace(score, settings=settings, protocol=protocol, repeats=repeats)

    def repeat(self, score: Score, repeat: Repeat) -> Repeat:
        place = score.metric, canonical(score.point), canonical(repeat.seeds)
        if place not in self.results:
            return repeat
        key, outcome = self.results[place]
        assert outcome.entry is not None
        result = outcome.entry.result
        assert result is not None
        conditions = {f"{score.metric}.{n}": v for n, v in result.conditions.items()}
        ran = environment_id(outcome.entry.environment)
        return replace(
            repeat,
            key=key,
            values=result.values,
            conditions=_own_fields(score.metric, repeat.conditions, conditions),
            details=result.details,
            environments=tuple(sorted({*repeat.environments, ran})),
            items=result.items,
            steps=result.steps,
        )


def _own_fields(metric: str, then: Mapping[str, Json], now: Mapping[str, Json]) -> dict[str, Json]:
    """Merge the metric's fields from ``now`` with all other fields from ``then``."""
    own = f"{metric}."
    return {
        **{n: v for n, v in then.items() if not n.startswith(own)},
        **{n: v for n, v in now.items() if n.startswith(own)},
    }


def _rescored(run: Run, plan: Plan, outcomes: Mapping[TaskId, Outcome], today: Plan, store: Store) -> Run:
    results = {
        (s.metric, canonical(s.point), canonical(r.seeds)): (r.task[1], outcomes[r.task])
        for s in plan.scores
        for r in s.repeats
    }
    metrics = {s.metric for s in plan.scores}
    here = environment()
    then: dict[str, Any] = dict(run.declaration)
    now: Any = declaration(today.suite)["stages"]
    today_code = today.code
    stages = {name: now[name] if name in metrics else node for name, node in then["stages"].items()}
    entries = [o.entry for _, o in results.values() if o.entry is not None]
    ran = {environment_id(e.environment): e.environment for e in entries} | {environment_id(here): here}
    rescoring = _Rescoring(run, today, results)
    return replace(
        run,
        declaration={**then, "stages": stages},
        code={name: today_code[name] if name in metrics else c for name, c in run.code.items()},
        metrics={n: today.metrics[n] if n in metrics else info for n, info in run.metrics.items()},
        scores=tuple(map(rescoring.score, run.scores)),
        environments={**run.environments, **ran},
        distributions={**run.distributions, **distributions(ran, store)},
    )


def _rows(before: Baseline, after: Run, plan: Plan, store: Store) -> Iterator[ItemRows]:
    """Yield the rows that were kept, then those that were recomputed."""
    metrics = {s.metric for s in plan.scores}
    if before.items is not None:
        yield from (rows for rows in before.items.rows() if rows.metric not in metrics)
    changed = tuple(s for s in after.scores if s.metric in metrics)
    yield from item_rows(replace(after, scores=changed), store)


ROWS = 200
"""Maximum number of rows; the rest is counted."""


def print_rescored(console: Console, before: Run, after: Run, metrics: Collection[str]) -> None:
    """Print a row per field and point of ``metrics``: mean over the repeats before and after, and the difference."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("metric", "point", "repeats", "old", "new", "difference"):
        table.add_column(name, justify="left" if name in ("metric", "point") else "right", overflow="fold")
    rows = [row.cells() for row in _compared(before, after, metrics)]
    for row in rows[:ROWS]:
        table.add_row(*(Text(clean(cell)) for cell in row))
    console.print(table)
    if len(rows) > ROWS:
        console.print(
            f"and {counted(len(rows) - ROWS, 'more row')}", markup=False, highlight=False, soft_wrap=True
        )


@dataclass(frozen=True)
class _Compared:
    """A field at a point, as the mean over its repeats; None on the side that lacks it."""

    metric: str
    field: str
    point: Mapping[str, Json]
    repeats: int
    old: float | None
    new: float | None

    def to_json(self) -> dict[str, Json]:
        return dict(vars(self))

    def cells(self) -> Sequence[str]:
        if self.old is None or self.new is None:
            shown = together([v for v in (self.old, self.new) if v is not None])[0]
            sides = ("–", shown, "new field") if self.old is None else (shown, "–", "gone")
        else:
            was, now, moved = together([self.old, self.new, self.new - self.old])
            difference = "none" if self.new == self.old else f"+{moved}" if self.new > self.old else moved
            sides = (was, now, difference)
        return (f"{self.metric}.{self.field}", point(self.point), str(self.repeats), *sides)


def _compared(before: Run, after: Run, metrics: Collection[str]) -> Iterator[_Compared]:
    for old, new in zip(before.scores, after.scores, strict=True):
        if new.metric not in metrics:
            continue
        for field in dict.fromkeys((*before.metrics[old.metric].fields, *after.metrics[new.metric].fields)):
            sides = _mean(old, field), _mean(new, field)
            yield _Compared(new.metric, field, new.point, len(new.repeats), *sides)


def _mean(score: Score, field: str) -> float | None:
    values = [r.values[field] for r in score.repeats if field in r.values]
    return sum(values) / len(values) if values else None
