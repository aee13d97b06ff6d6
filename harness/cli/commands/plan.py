"""``harness plan``: prints the tasks of a suite, what is cached, the expected time, and what its gates can detect."""

from __future__ import annotations

from argparse import Namespace
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.requested import requested
from harness.compare import baseline as baselines
from harness.compare.planning import Outlook, outlooks
from harness.compare.sample import Side
from harness.compare.wording import clean, counted, listed, number, point
from harness.engine.device_fit import gpu_bytes, too_large, unfit
from harness.engine.plan import Plan, Task, expected_s
from harness.engine.recording import gate_infos
from harness.errors import Exit, UsageError
from harness.evaluation.preparing import prepare
from harness.report import streams
from harness.report.console import ReportConsole, label
from harness.store.artifacts import Store
from harness.store.environment import device_class, environment


def main(o: Namespace) -> Exit:
    """``harness plan``."""
    prepared = prepare(requested(o), download=False)
    work = Work.of(prepared.plan, prepared.store)
    if o.json:
        streams.document(to_document(work, foresee(prepared.plan)))
        return Exit.OK
    console = ReportConsole()
    print_plan(console, work, every=o.all)
    print_gates(console, foresee(prepared.plan))
    return Exit.OK


@dataclass(frozen=True)
class Work:
    """What a run would do."""

    plan: Plan
    tasks: tuple[Task, ...]
    """Each key once."""
    cached: frozenset[str]
    needed: frozenset[str]
    """The keys that a run would execute."""
    expected: Mapping[str, float | None]
    """Key that would be executed → seconds; None if nothing like it was ever timed on this device."""
    device: str
    unfit: tuple[str, ...] = ()
    """Why stages cannot work on this device, a sentence each."""
    too_large: tuple[str, ...] = ()
    """Which stages need more memory than the GPU has, as far as that was counted, a sentence each."""

    @classmethod
    def of(cls, plan: Plan, store: Store) -> Work:
        """Look up in the store what is there, and how long the rest took before."""
        tasks = tuple({t.key: t for t in plan.tasks.values()}.values())
        cached = {t.key for t in tasks if store.get(t.key) is not None}
        needed = _needed(plan, cached)
        timings, device = store.timings(), device_class(environment())
        expected = {t.key: expected_s(t, timings, device) for t in tasks if t.key in needed}
        waiting = [t for t in tasks if t.key in needed]
        impossible = unfit(waiting, "cpu" if device == "cpu" else "cuda")
        memory = gpu_bytes(environment())
        large = [] if memory is None else too_large(plan, waiting, memory)
        return cls(
            plan,
            tasks,
            frozenset(cached),
            frozenset(needed),
            expected,
            device,
            tuple(impossible),
            tuple(large),
        )

    @property
    def scores(self) -> int:
        return sum(len(s.repeats) for s in self.plan.scores)


SCHEMA = "harness.plan/1"


def to_document(work: Work, outlooks: Sequence[Outlook]) -> dict[str, Any]:
    """Return the plan, JSON-safe: every task, and what its gates can detect."""
    known = [s for s in work.expected.values() if s is not None]
    return {
        "schema": SCHEMA,
        "suite": work.plan.suite.name,
        "device": work.device,
        "scores": work.scores,
        "to_run": len(work.needed),
        "expected_s": sum(known),
        "never_timed": len(work.expected) - len(known),
        "unfit": list(work.unfit),
        "too_large": list(work.too_large),
        "tasks": [
            {
                "stage": task.node,
                "use": task.stage.name,
                "key": task.key,
                "point": dict(task.point),
                "seeds": dict(task.seeds),
                "cached": task.key in work.cached,
                "to_run": task.key in work.needed,
                "expected_s": work.expected.get(task.key),
            }
            for task in work.tasks
        ],
        "gates": [
            {
                "metric": outlook.gate.metric,
                "field": outlook.gate.field,
                "at": outlook.gate.at,
                "declared": outlook.gate.margin,
                "relative": outlook.gate.relative,
                "margin": outlook.margin,
                "sees": outlook.visible,
                "warnings": list(outlook.warnings),
            }
            for outlook in outlooks
        ],
    }


def foresee(plan: Plan) -> list[Outlook]:
    """Return an outlook per gate, based on the baseline of this device class if it can be read."""
    suite = plan.suite
    baseline: Side | None
    try:
        baseline = baselines.find(suite.project, suite.name, device_class(environment()))
    except UsageError:  # a plan needs no baseline; `harness run` reports what is wrong with it
        baseline = None
    repeats = {
        name: len({r.seeds[info.seeds[0]] for s in plan.scores if s.metric == name for r in s.repeats})
        for name, info in plan.metrics.items()
        if info.seeds
    }
    return list(outlooks(gate_infos(suite), plan.metrics, repeats, baseline))


def print_plan(console: Console, work: Work, *, every: bool) -> None:
    """Print one line per node (per task with ``every``), then the totals."""
    tasks, cached, needed, expected = work.tasks, work.cached, work.needed, work.expected
    rows: dict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        rows[label(task) if every else task.node].append(task)

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task" if every else "stage")
    table.add_column("use", style="dim")
    for column in ("tasks", "cached", "to run", "expected"):
        table.add_column(column, justify="right")
    for name, members in rows.items():
        run = [t for t in members if t.key in needed]
        table.add_row(
            Text(name),
            members[0].stage.name,
            str(len(members)),
            str(sum(t.key in cached for t in members)),
            str(len(run)),
            _duration([expected[t.key] for t in run]),
        )
    console.print(table)
    console.print(
        f"{len(tasks)} tasks, {len(cached)} cached, {len(needed)} to run for {counted(work.scores, 'score')};"
        f" expected: {_duration(list(expected.values())) or 'nothing to do'} on {work.device}",
        highlight=False,
    )
    for sentence in work.unfit:
        console.print(f"✗ not on this machine: {clean(sentence)}", style="red", highlight=False, markup=False)
    for sentence in work.too_large:
        console.print(f"! {clean(sentence)}", style="yellow", highlight=False, markup=False)


def print_gates(console: Console, outlooks: Sequence[Outlook]) -> None:
    """Print what each gate will be able to detect, and what is wrong with it, before anything runs."""
    if not outlooks:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, right in (("gate", False), ("margin", True), ("sees", True)):
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for outlook in outlooks:
        at = point(outlook.gate.at)
        name = clean(f"{outlook.name} ({at})" if at else outlook.name)
        margin = f"{outlook.gate.margin:.3g}" if outlook.margin is None else number(outlook.margin)
        share = f"{100 * outlook.gate.margin:g} %" if outlook.gate.relative else margin
        table.add_row(name, share, "?" if outlook.visible is None else number(outlook.visible))
    console.print()
    console.print(table)
    told: dict[str, dict[str, None]] = {}
    for outlook in outlooks:
        for sentence in outlook.warnings:
            told.setdefault(sentence, {})[outlook.name] = None
    for sentence, names in told.items():
        console.print(
            f"! {clean(listed(list(names), 3))}: {clean(sentence)}",
            style="yellow",
            highlight=False,
            markup=False,
        )


def _needed(plan: Plan, cached: set[str]) -> set[str]:
    """Return the keys that a run would execute: those that missing scores need, not everything that is absent."""
    needed: set[str] = set()
    waiting = [r.task for s in plan.scores for r in s.repeats]
    while waiting:
        task = plan.tasks[waiting.pop()]
        if task.key not in cached and task.key not in needed:
            needed.add(task.key)
            waiting.extend(task.sources)
    return needed


def _duration(seconds: list[float | None]) -> str:
    """Return the sum as text; ``+ ?`` if a part was never timed on this device."""
    known = [s for s in seconds if s is not None]
    if not seconds:
        return ""
    total = sum(known)
    text = f"{total:.0f} s" if total < 120 else f"{total / 60:.0f} min"
    if not known:
        return "?"
    return text if len(known) == len(seconds) else f"{text} + ?"
