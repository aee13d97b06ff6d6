"""Which artifact of a run is meant: a stage, its output, and as much of its point and seeds as is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.artifact import Json
from harness.errors import UsageError, nearest
from harness.store.artifacts import Store
from harness.store.entries import ONLY, content_of
from harness.store.record import Run, TaskInfo
from harness.store.run_artifacts import Used


@dataclass(frozen=True)
class Stored:
    """A stored artifact of a run."""

    name: str
    """Name of the stage, or ``stage.output``."""
    kind: str
    """Name of its class in ``harness.artifact``, or in another package."""
    folder: Path
    at: Mapping[str, Json]
    """The point and the seeds that it was made at."""
    facts: Mapping[str, Json]


def find(run: Run, store: Store, stage: str, at: Mapping[str, str]) -> Stored:
    """Find an artifact of a run.

    Args:
        run: run whose tasks are searched.
        store: store with the artifacts.
        stage: name of the stage in the suite, or ``stage.output`` if it has several outputs.
        at: axis or seed → value: as much of the point and seeds as is needed to select one task of the stage.

    Raises:
        UsageError: no stage, point or output matches, or several do; the artifact is not in the store or is damaged.
    """
    node, _, output = stage.partition(".")
    task = _task(run, node, at)
    entry = store.get(task.key)
    if entry is None:
        raise UsageError(f"{node}: not in the store ({store.root}); run the suite again with --fresh {node}")
    if Used.by(run).is_another(task.key, content_of(entry)):
        raise UsageError(
            f"{node}: the store ({store.root}) has it from another execution than run {run.id} was scored on"
        )
    folder = output or ONLY
    if folder not in entry.outputs:
        names = [node if name == ONLY else f"{node}.{name}" for name in sorted(entry.outputs)]
        raise UsageError(f"{stage}: no such output; it has {', '.join(names) or 'none: it is a metric'}")
    if not store.is_intact(entry):
        raise UsageError(
            f"{node}: its files in the store are damaged; run the suite again with --fresh {node}"
        )
    made = entry.outputs[folder]
    place = {**task.point, **task.seeds}
    return Stored(stage, made.kind, store.folder(task.key) / folder, place, made.facts)


def parse_at(text: str) -> dict[str, str]:
    """Parse ``axis=value,…``.

    Raises:
        UsageError: a part is not of this form.
    """
    return dict(_pair(part) for part in text.split(",") if part.strip())


def _task(run: Run, node: str, wanted: Mapping[str, str]) -> TaskInfo:
    nodes = {t.node for t in run.tasks}
    if node not in nodes:
        raise UsageError(f"no stage {node!r} in the run of {run.suite}{nearest(node, nodes)}")
    there = [t for t in run.tasks if t.node == node]
    fitting = [t for t in there if all(_places(t).get(axis) == value for axis, value in wanted.items())]
    if len({t.key for t in fitting}) == 1:
        return fitting[0]
    unknown = next((axis for axis in wanted if not any(axis in _places(t) for t in there)), None)
    if unknown is not None:
        known = sorted({axis for t in there for axis in _places(t)})
        has = f"it has {', '.join(known)}" if known else "it has none: leave out --at"
        raise UsageError(f"{node}: no axis or seed {unknown!r}{nearest(unknown, known)} ({has})")
    axes = _telling(there, node) or list(_places(there[0]))
    choices = "; ".join(",".join(f"{a}={_places(t).get(a)}" for a in axes) for t in (fitting or there)[:12])
    raise UsageError(f"{node}: {len(fitting) or 'none'} of {len(there)} tasks fit; --at one of: {choices}")


def _telling(tasks: Sequence[TaskInfo], node: str) -> list[str]:
    """Return the fewest axes that distinguish a stage's tasks, its own axes first. Seeds that vary together are one."""
    axes = dict.fromkeys(axis for task in tasks for axis in _places(task))
    kept: list[str] = []
    parts = 1
    for axis in sorted(axes, key=lambda a: not a.startswith(f"{node}.")):
        apart = len({tuple(_places(t).get(a) for a in (*kept, axis)) for t in tasks})
        if apart > parts:
            kept, parts = [*kept, axis], apart
    return kept


def _pair(part: str) -> tuple[str, str]:
    axis, equals, value = (p.strip() for p in part.partition("="))
    if not equals:
        raise UsageError(f"--at: expected axis=value,…, not {part!r}")
    return axis, value


def _places(task: TaskInfo) -> dict[str, str]:
    found: Mapping[str, Json] = {**task.point, **task.seeds}
    return {axis: str(value) for axis, value in found.items()}
