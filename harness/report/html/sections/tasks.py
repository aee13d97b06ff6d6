"""The tasks of a run: the failed ones with their logs, the warnings of stages, and what all of them cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.artifact import Json
from harness.compare.wording import counted, first_line, label, number
from harness.formats.files import opened
from harness.report.facts import warned
from harness.report.html.context import Context
from harness.report.html.parts import Block, Cell, Listing, Section, Table
from harness.report.html.sections.record import number_of
from harness.store.record import Run, TaskInfo

TAIL_BYTES = 8_000
"""Bytes shown from the end of a log, where the error is."""

LOGS = 8
"""Maximum number of logs on the page; a run's folder has all of them."""

ROWS = 100


def failures(context: Context) -> Section | None:
    """Show every failed task with its message, the first few with the end of their log; None if none failed."""
    failed = context.comparison.failures
    if not failed:
        return None
    skipped = sum(t.state == "skipped" for t in context.run.tasks)
    rows = tuple((Cell(label(t), tone="regressed"), Cell(first_line(t.error))) for t in failed[:ROWS])
    blocks: list[Block] = [
        Table("Failed tasks", ("task", "what it said"), rows, left_out=max(len(failed) - ROWS, 0))
    ]
    blocks += [_log(task, context.folder) for task in failed[:LOGS]]
    was = "was" if skipped == 1 else "were"
    lead = f"{counted(skipped, 'task')} {was} skipped for want of {'it' if len(failed) == 1 else 'them'}."
    return Section("failures", counted(len(failed), "failed task"), tuple(blocks), lead if skipped else "")


def warnings(context: Context) -> Section | None:
    """Show the warnings of stages; None if there are none."""
    found = warned(context.run)
    if not found:
        return None
    rows = tuple((Cell(w.who), Cell(w.sentence)) for w in found[:ROWS])
    table = Table("What the stages warn of", ("task", "warning"), rows, left_out=max(len(found) - ROWS, 0))
    return Section("warnings", counted(len(found), "warning"), (table,))


def _log(task: TaskInfo, folder: Path) -> Listing:
    """Return the end of a task's log, or the part of it that the record has kept."""
    file = folder / "logs" / f"{task.node}-{task.key[:8]}.txt"
    text = _tail(file) or (task.error or "no message").strip()
    return Listing(f"Log of {label(task)}", tuple(text.split("\n")), preformatted=True)


def _tail(file: Path) -> str:
    """Return the last whole lines of a file; empty if it does not exist."""
    try:
        with opened(file) as log:
            size = log.seek(0, 2)
            log.seek(max(size - TAIL_BYTES, 0))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    if size > TAIL_BYTES:
        text = f"… {size - TAIL_BYTES:,} bytes before this\n{text.partition(chr(10))[2]}"
    return text.strip("\n")


UNITS = {"wall_s": "s", "peak_bytes": "MB", "host_bytes": "MB", "energy_j": "J"}
"""Measured field → the unit it is shown in."""

MEGABYTE = 1e6


def costs(context: Context) -> Section | None:
    """Show time per stage and measured costs; None for a run without tasks."""
    run = context.run
    if not run.tasks:
        return None
    cached = [t for t in run.tasks if t.state == "cached"]
    lead = (
        f"{counted(len(run.tasks), 'task')} in {number(run.wall_s)} s; {len(cached):,} came from the cache, "
        f"which would have taken {number(sum(t.wall_s for t in cached))} s."
    )
    return Section("costs", "Costs", (_times(run), *_measured(run)), lead, folded=True)


def _times(run: Run) -> Table:
    by_node: dict[str, list[TaskInfo]] = {}
    for task in run.tasks:
        by_node.setdefault(task.node, []).append(task)
    ordered = sorted(by_node.items(), key=lambda entry: -sum(t.wall_s for t in entry[1]))
    columns = ("stage", "function", "tasks", "executed", "cached", "executed, s", "saved by the cache, s")
    return Table(
        "Time by stage",
        columns,
        tuple(_stage(node, _use(run, node), tasks) for node, tasks in ordered),
        frozenset(range(2, 7)),
    )


def _stage(node: str, use: str, tasks: Sequence[TaskInfo]) -> tuple[Cell, ...]:
    def count(state: str) -> Cell:
        n = sum(t.state == state for t in tasks)
        return Cell(f"{n:,}", n)

    def seconds(state: str) -> Cell:
        s = sum(t.wall_s for t in tasks if t.state == state)
        return Cell(f"{s:,.1f}", s)

    failed = sum(t.state in ("failed", "skipped") for t in tasks)
    name = Cell(node, note=f"{failed} failed or skipped" if failed else "")
    total = Cell(f"{len(tasks):,}", len(tasks))
    return (
        name,
        Cell(use),
        total,
        count("executed"),
        count("cached"),
        seconds("executed"),
        seconds("cached"),
    )


def _use(run: Run, node: str) -> str:
    """Return the function of a stage or metric, which are in different places of the record."""
    stages = run.declaration.get("stages")
    stage = stages.get(node) if isinstance(stages, Mapping) else None
    if isinstance(stage, Mapping):
        return str(stage.get("use", ""))
    info = run.metrics.get(node)
    return info.use.partition("@")[0] if info else ""


def _measured(run: Run) -> Iterator[Table]:
    """Yield tables of the costs that stages report in the fact ``cost``, as means over their tasks."""
    by_node: dict[str, list[Mapping[str, Json]]] = {}
    for task in run.tasks:
        cost = task.facts.get("cost")
        if isinstance(cost, Mapping):
            by_node.setdefault(task.node, []).append(cost)
    if not by_node:
        return
    fields = list(dict.fromkeys(name for costs in by_node.values() for c in costs for name in c))
    shown = [
        f for f in fields if any(number_of(c.get(f)) is not None for costs in by_node.values() for c in costs)
    ]
    rows = tuple(
        (
            Cell(node, note=f"mean of {len(costs)}" if len(costs) > 1 else ""),
            *(_mean(f, [c.get(f) for c in costs]) for f in shown),
        )
        for node, costs in by_node.items()
    )
    columns = ("stage", *(_head(f) for f in shown))
    yield Table("Measured while executing", columns, rows, frozenset(range(1, len(columns))))


def _head(field: str) -> str:
    unit = UNITS.get(field)
    name = field.removesuffix("_bytes") if unit == "MB" else field.removesuffix("_s").removesuffix("_j")
    return f"{name.replace('_', ' ')}, {unit}" if unit else field.replace("_per_s", "/s").replace("_", " ")


def _mean(field: str, values: Sequence[Json]) -> Cell:
    numeric = [n for v in values if (n := number_of(v)) is not None]
    if not numeric:
        return Cell("")
    mean = sum(numeric) / len(numeric) / (MEGABYTE if UNITS.get(field) == "MB" else 1)
    return Cell(f"{mean:,.0f}" if abs(mean) >= 1000 else number(mean), mean)
