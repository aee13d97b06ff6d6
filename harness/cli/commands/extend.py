"""``harness extend``: runs a baseline's subject with more seeds, so that more pairs can be compared."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from harness.cli.requested import wanted
from harness.compare.acceptance import check_place, renew
from harness.compare.baseline import Baseline, named
from harness.compare.differences import declared_differences, differences, environment_differences
from harness.compare.planning import MOST_SEEDS
from harness.compare.wording import counted, listed
from harness.engine import from_record
from harness.engine.executors import Executor
from harness.engine.plan import Plan, make
from harness.engine.recording import item_rows
from harness.errors import Exit, UsageError
from harness.evaluation.baseline_choice import label_of
from harness.evaluation.executor_choice import executor
from harness.evaluation.preparing import Prepared
from harness.evaluation.session import execute
from harness.formats.strict_json import canonical
from harness.report import streams
from harness.report.console import ReportConsole
from harness.store import project as places
from harness.store.artifacts import Store
from harness.store.environment import device_class, environment
from harness.store.record import Run, Score
from harness.store.tiers import open_store
from harness.suite import continued


def main(o: Namespace) -> Exit:
    """``harness extend``."""
    runs_tasks = executor(wanted(o), places.of(Path.cwd()))
    return extend(o.baseline, runs_tasks, seeds=o.seeds, mirror=o.mirror, store=o.store)


def extend(
    baseline: str, runs_tasks: Executor, *, seeds: int, mirror: Path | None, store: Path | None
) -> Exit:
    """Run what ``baseline`` declares with the missing seeds, and write it again with all seeds.

    Raises:
        UsageError: the baseline does not exist, has that many seeds already, sweeps no seed, or its code or software
            has changed.
    """
    project = places.of(Path.cwd())
    before, file = named(baseline, project)
    own = _own_seeds(before.run, baseline, seeds)
    prepared = _prepare(before.run, project, baseline, seeds, mirror, store, runs_tasks)
    _check_same(before.run, prepared.plan, baseline)
    check_place(file)
    new = replace(prepared, plan=_lacking(prepared.plan, before.run))
    added, _ = execute(new, ReportConsole(streams.err()))
    if added.failures:
        first = added.failures[0]
        streams.warn(
            f"{counted(len(added.failures), 'task')} failed, first {first.node}: {first.error}; "
            f"{baseline} stays as it was"
        )
        return Exit.FAILED
    accepted = before.run.accepted
    assert accepted is not None
    whole = _joined(before.run, added, prepared.plan, baseline)
    reason = f"{accepted.reason}; extended to {seeds} seeds"
    renew(before, file, whole, _rows(before, added, prepared.store), reason=reason, at=accepted.at)
    streams.say(f"extended: {file} from {own} to {seeds} seeds")
    if anew := sorted({t.node for t in added.tasks if t.state == "executed" and not t.seeds}):
        streams.say(f"  made again, since the store no longer had them: {listed(anew, 8)}")
    for cause in _elsewhere(before.run, added):
        streams.say(f"  another environment for the new seeds: {cause}")
    return Exit.OK


def _own_seeds(run: Run, name: str, wanted: int) -> int:
    swept: Any = run.declaration.get("seeds") or {}
    if not swept:
        raise UsageError(f"{name}: sweeps no seed, so there are none to add")
    own = max(len(values) for values in swept.values())
    if wanted <= own:
        raise UsageError(f"--seeds {wanted}: {name} has {own} already; a baseline only grows")
    if wanted > MOST_SEEDS:
        raise UsageError(f"--seeds {wanted}: at most {MOST_SEEDS:,}")
    here = device_class(environment())
    if label_of(run) != here:
        raise UsageError(
            f"{name}: ran on {label_of(run)}, and this machine is {here}; extend it on such a machine"
        )
    return own


def _prepare(
    run: Run,
    project: Path,
    name: str,
    seeds: int,
    mirror: Path | None,
    store: Path | None,
    runs_tasks: Executor,
) -> Prepared:
    kept = open_store(store, project)
    suite, sources = from_record.suite_of(
        run, project, name, mirror=places.mirror(mirror), store=kept, download=True, repeats=seeds
    )
    plan = make(continued(suite, seeds), code=runs_tasks.code(suite, kept))
    return Prepared(plan, kept, runs_tasks, sources)


def _check_same(run: Run, plan: Plan, name: str) -> None:
    """Refuse to add seeds of another subject or protocol: each score must have the key that it would get today.

    What a metric declares of its fields is in no key.
    """
    both = run.metrics.keys() & plan.metrics.keys()
    for metric in sorted(both):
        if declared := declared_differences(metric, plan.metrics[metric].fields, run.metrics[metric].fields):
            turned = listed(list(map(str, declared)), 4)
            raise UsageError(f"{name}: {turned}; accept a run with as many seeds, with --new-protocol")
    nodes: set[str] = set()
    metrics: dict[str, None] = {}
    for scored in from_record.recorded(run, plan):
        if scored.task is None or scored.task.key != scored.key:
            metrics[scored.metric] = None
            nodes |= {scored.metric, *plan.suite.upstream(scored.metric)}
    if not metrics:
        return
    changes = {node: what for node, what in from_record.changes(run, plan).items() if node in nodes}
    told = [f"{node}: {', '.join(what)}" for node, what in changes.items()]
    if not told or not from_record.notes_code(run):
        told.append(f"the code or the software behind {listed(list(metrics), 3)}")
    changed = listed(told, 4)
    if from_record.notes_code(run) and changes.keys() <= run.metrics.keys():
        raise UsageError(
            f"{name}: only metrics have changed since ({changed}); first: harness rescore {name} --accept …"
        )
    commit = str(run.provenance.get("commit", ""))[:12]
    back = f"check out {commit} with its software and extend it there, or " if commit else ""
    raise UsageError(
        f"{name}: what it ran has changed since ({changed}), and other work's seeds are no more evidence; "
        f"{back}accept a run with as many seeds"
    )


def _lacking(plan: Plan, run: Run) -> Plan:
    """Return the part of a plan that computes the repeats that a record lacks."""
    there = {(s.metric, canonical(s.point), canonical(r.seeds)) for s in run.scores for r in s.repeats}
    scores = []
    for score in plan.scores:
        place = score.metric, canonical(score.point)
        repeats = tuple(r for r in score.repeats if (*place, canonical(r.seeds)) not in there)
        if repeats:
            scores.append(replace(score, repeats=repeats))
    needed = {t.id for s in scores for r in s.repeats for t in plan.behind(r.task)}
    tasks = {name: task for name, task in plan.tasks.items() if name in needed}
    return replace(plan, tasks=tasks, scores=tuple(scores), pictures=())


def _joined(before: Run, added: Run, plan: Plan, name: str) -> Run:
    """Merge both records into one, with repeats in the plan's order."""
    more = {(s.metric, canonical(s.point)): s for s in added.scores}
    return replace(
        before,
        scores=tuple(
            _score(s, more.get((s.metric, canonical(s.point))), before, name) for s in before.scores
        ),
        declaration=added.declaration,
        code=added.code,
        metrics=plan.metrics,
        environments={**before.environments, **added.environments},
        distributions={**before.distributions, **added.distributions},
        sources=added.sources,
        wall_s=round(before.wall_s + added.wall_s, 3),
    )


def _score(before: Score, added: Score | None, run: Run, name: str) -> Score:
    """Merge a score with its new repeats; the observed conditions must be the same."""
    if added is None:
        return before
    changed = differences(added, before, run.defaults, run.defaults)
    if changed:
        raise UsageError(
            f"{name}: the new seeds of {before.metric} ran under other conditions "
            f"({listed(list(map(str, changed)), 3)}), so they are no more evidence; it stays as it was"
        )
    return replace(before, repeats=(*before.repeats, *added.repeats))


def _rows(before: Baseline, added: Run, store: Store) -> Iterable[Any]:
    return chain(before.items.rows() if before.items else (), item_rows(added, store))


def _elsewhere(before: Run, added: Run) -> list[str]:
    """List where the environments differ, for information only."""
    known = {**before.distributions, **added.distributions}
    return list(
        map(str, environment_differences(added.environments.values(), before.environments.values(), known))
    )
