"""Turn a suite into tasks with keys, the scores that they lead to, and an estimate of the remaining time.

Nothing runs here and no heavy library is loaded.

A task is a node at one point of the axes upstream of it and one repeat of the seeds upstream of it. So a checkpoint
that fifteen scheduler settings share is planned once. The key identifies what would have to run again; the protocol
defines what a score means (see ``docs/keys.md``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from statistics import median
from typing import Any

from harness.artifact import Json
from harness.engine.keys import Bindings, Cell, Protocols, identity, task_key
from harness.engine.repeat_sources import kept
from harness.errors import UsageError
from harness.sources.by_seed import BySeed
from harness.sources.hub import Source
from harness.stage import Mark, Stage
from harness.store.record import MetricInfo
from harness.suite import Node, Ref, Suite
from harness.suite.reach import subject_of
from harness.suite.typed import to_json

MOST_POINTS = 200_000
"""Limit on the points of a matrix: far more than anyone runs. Planning so many takes a quarter of a minute."""

TaskId = tuple[str, str]
"""Node and key. Tasks of different nodes may have equal keys: they run once, but mean different things."""

_Place = tuple[str, Cell, tuple[int, ...]]
"""Node, the part of the cell that affects it, and the values of the swept seeds that affect it."""


@dataclass(frozen=True)
class Task:
    """One stage at one point and one repeat."""

    node: str
    key: str
    stage: Stage
    parameters: Mapping[str, Any]
    keyed: Mapping[str, Json]
    """The parameters as used in the key: each source is given by its content when the key was made."""
    inputs: Mapping[str, tuple[tuple[TaskId, str], ...]]
    """Input name → the tasks and outputs that it takes, in order."""
    point: Mapping[str, Json]
    """The values of the axes upstream of the task."""
    seeds: Mapping[str, int]
    """The values of the swept seeds upstream of the task."""

    @property
    def id(self) -> TaskId:
        return self.node, self.key

    @property
    def sources(self) -> list[TaskId]:
        return [task for taken in self.inputs.values() for task, _ in taken]


@dataclass(frozen=True)
class PlannedRepeat:
    seeds: Mapping[str, int]
    task: TaskId


@dataclass(frozen=True)
class PlannedScore:
    """A score that the run will compute; see ``record.Score`` for the fields."""

    metric: str
    point: Mapping[str, Json]
    settings: Mapping[str, Json]
    protocol: Mapping[str, Json]
    repeats: tuple[PlannedRepeat, ...]


@dataclass(frozen=True)
class Plan:
    suite: Suite
    tasks: Mapping[TaskId, Task]
    """All tasks; every task comes after its inputs."""
    scores: tuple[PlannedScore, ...]
    metrics: Mapping[str, MetricInfo]
    pictures: tuple[TaskId, ...]
    """Tasks that no score needs: their images, of the first repeat, are for the report."""
    only: Mapping[str, tuple[Any, ...]]
    code: Mapping[str, Mapping[str, Json]]
    """Node → its stage's part of the keys (``keys.identity``), where its tasks run."""

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Distinct keys: the upper bound of what has to run."""
        return tuple(dict.fromkeys(t.key for t in self.tasks.values()))

    def behind(self, task: TaskId, *, protocol_only: bool = False) -> Iterator[Task]:
        """``task`` and every task that it was made from; with ``protocol_only`` the graph is cut at the subject."""
        seen, waiting = set(), [task]
        subject = self.suite.subject
        while waiting:
            current = self.tasks[waiting.pop()]
            if current.id in seen or (protocol_only and current.node in subject):
                continue
            seen.add(current.id)
            yield current
            for name, taken in current.inputs.items():
                if not (protocol_only and f"{current.node}.{name}" in subject):
                    waiting.extend(t for t, _ in taken)

    def subject_path(self, task: TaskId) -> list[Task]:
        """The tasks from the subject to ``task``, both included."""
        return [t for t in self.behind(task) if self._holds_subject[t.id]]

    @cached_property
    def _holds_subject(self) -> dict[TaskId, bool]:
        subject_nodes = {s.partition(".")[0] for s in self.suite.subject}
        found: dict[TaskId, bool] = {}
        for task in self.tasks.values():
            found[task.id] = task.node in subject_nodes or any(found[t] for t in task.sources)
        return found


def make(
    suite: Suite,
    *,
    only: Mapping[str, tuple[Any, ...]] | None = None,
    code: Mapping[str, Mapping[str, Json]] | None = None,
) -> Plan:
    """Plan a suite.

    Args:
        suite: the suite, with its sources resolved, so that data enters the keys by content.
        only: axis → the values to keep.
        code: node → its stage's part of the keys where its tasks run; None if they run with this installation.

    Raises:
        UsageError: ``only`` leaves nothing; software that a stage declares is not installed.
    """
    if code is None:
        code = {name: identity(node.stage) for name, node in suite.nodes.items()}
    return _Planner(suite, kept(only or {}, suite), code).plan()


@dataclass
class _Planner:
    suite: Suite
    only: Mapping[str, tuple[Any, ...]]
    code: Mapping[str, Mapping[str, Json]]
    tasks: dict[TaskId, Task] = field(default_factory=dict)
    _made: dict[_Place, TaskId] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bindings = Bindings(self.suite)
        self.protocols = Protocols(self.bindings)

    def plan(self) -> Plan:
        cells = list(self._cells())
        if not cells:
            raise UsageError(f"{self.suite.file}: --only leaves no point of the matrix")
        scores = [s for metric in self.suite.metrics for s in self._scores_of(metric, cells)]
        pictures = [self._task(name, cell, 0) for name in self.suite.pictures for cell in cells]
        info = {m: self._metric_info(m) for m in self.suite.metrics}
        return Plan(
            self.suite, self.tasks, tuple(scores), info, tuple(dict.fromkeys(pictures)), self.only, self.code
        )

    def _cells(self) -> Iterator[Cell]:
        """The points of the matrix, without deselected and excluded ones."""
        axes = self.suite.matrix
        kept = [
            [i for i, v in enumerate(a.values) if a.field not in self.only or v in self.only[a.field]]
            for a in axes
        ]
        index = {a.field: i for i, a in enumerate(axes)}
        excluded = [
            {index[f]: axes[index[f]].values.index(v) for f, v in e.items()} for e in self.suite.exclude
        ]
        points = math.prod(map(len, kept))
        if points > MOST_POINTS:
            raise UsageError(
                f"{self.suite.file}: a matrix of {points:,} points; at most {MOST_POINTS:,} are planned"
            )
        for cell in product(*kept):
            if not any(all(cell[i] == v for i, v in e.items()) for e in excluded):
                yield cell

    def _scores_of(self, metric: str, cells: Iterable[Cell]) -> Iterator[PlannedScore]:
        axes, repeats = self.bindings.axes[metric], list(self._repeats_of(metric))
        for cell in {tuple(c[i] for i in axes): c for c in cells}.values():
            meaning = self.protocols.of(metric, cell)
            yield PlannedScore(
                metric,
                self.bindings.point(metric, cell),
                meaning.settings,
                meaning.protocol,
                tuple(PlannedRepeat(self._seeds(metric, r), self._task(metric, cell, r)) for r in repeats),
            )

    def _repeats_of(self, metric: str) -> Iterable[int]:
        """The repeats that differ for a metric: those that differ in the seeds that affect it."""
        seeds = self.suite.seeds
        count = len(seeds[0].values) if seeds else 1
        rows = (tuple(seeds[j].values[r] for j in self.bindings.seeds[metric]) for r in range(count))
        first: dict[tuple[int, ...], int] = {}
        for repeat, row in enumerate(rows):
            first.setdefault(row, repeat)
        return first.values()

    def _seeds(self, name: str, repeat: int) -> dict[str, int]:
        swept = (self.suite.seeds[j] for j in self.bindings.seeds[name])
        return {axis.field: axis.values[repeat] for axis in swept}

    def _task(self, name: str, cell: Cell, repeat: int) -> TaskId:
        """The task of a node, planned after its inputs."""
        waiting = [name]
        while waiting:
            place = self._place(waiting[-1], cell, repeat)
            if place not in self._made:
                wiring = self.bindings.wiring(waiting[-1], cell)
                sources = dict.fromkeys(ref.stage for refs in wiring.values() for ref in refs)
                lacking = [s for s in sources if self._place(s, cell, repeat) not in self._made]
                if lacking:
                    waiting.extend(reversed(lacking))
                    continue
                self._made[place] = self._make(waiting[-1], cell, repeat, wiring)
            waiting.pop()
        return self._made[self._place(name, cell, repeat)]

    def _place(self, name: str, cell: Cell, repeat: int) -> _Place:
        axes, swept = self.bindings.axes[name], self.bindings.seeds[name]
        return (
            name,
            tuple(cell[i] for i in axes),
            tuple(self.suite.seeds[j].values[repeat] for j in swept),
        )

    def _member(self, node: Node, source: BySeed, parameters: Mapping[str, Any]) -> Source:
        """The file or folder of one repeat."""
        [seed, *_] = [p for p, spec in node.stage.parameters.items() if spec.mark is Mark.SEED]
        value = parameters[seed]
        if value not in source.members:
            raise UsageError(f"{node.name}: {source.text}: the file of {seed}={value} was not looked up")
        return source.members[value]

    def _make(self, name: str, cell: Cell, repeat: int, wiring: Mapping[str, tuple[Ref, ...]]) -> TaskId:
        node = self.suite.nodes[name]
        parameters, spelled = dict(node.parameters), self.bindings.parameters(name, cell)
        for i in self.bindings.own_axes[name]:
            if not self.bindings.is_wiring[i]:
                axis = self.suite.matrix[i]
                parameters[axis.name] = axis.values[cell[i]]
        for seed in self.suite.seeds:
            if seed.node == name:
                parameters[seed.name] = spelled[seed.name] = seed.values[repeat]
        for parameter, value in parameters.items():
            if isinstance(value, BySeed):
                one = self._member(node, value, parameters)
                parameters[parameter], spelled[parameter] = one, to_json(one)
        inputs = {
            n: tuple((self._made[self._place(ref.stage, cell, repeat)], ref.output) for ref in refs)
            for n, refs in wiring.items()
        }
        taken = {n: [[key, output] for (_, key), output in t] for n, t in inputs.items()}
        key = task_key(self.code[name], spelled, taken)
        point, seeds = self.bindings.point(name, cell), self._seeds(name, repeat)
        task = Task(name, key, node.stage, parameters, spelled, inputs, point, seeds)
        # If alternatives turn out equal, the first task stays: the tasks that it refers to come before it.
        return self.tasks.setdefault(task.id, task).id

    def _metric_info(self, metric: str) -> MetricInfo:
        stage = self.suite.nodes[metric].stage
        assert stage.scores is not None
        fields = {
            f: None if d is None else {"better": d.better, "floor": d.floor, "low": d.low, "high": d.high}
            for f, d in stage.scores.items()
        }
        order = list(self.suite.nodes)
        swept = sorted(
            (self.suite.seeds[j] for j in self.bindings.seeds[metric]), key=lambda s: order.index(s.node)
        )
        return MetricInfo(
            f"{stage.name}@{stage.version}",
            fields,
            tuple(s.field for s in swept),
            subject_of(self.suite, metric, self.bindings.seeds),
            stage.timed,
        )


def expected_s(task: Task, timings: Sequence[Mapping[str, Any]], device: str) -> float | None:
    """Expected seconds for ``task``: the median over the executions of its stage on this device class whose parameters
    agree with it the most. None if it was never timed.
    """
    known = [t for t in timings if t.get("use") == task.stage.name and t.get("device") == device]
    if not known:
        return None
    wanted = {name: to_json(v) for name, v in task.parameters.items()}
    walls = [(_agreement(wanted, t["settings"]), t["wall_s"]) for t in known]
    best = max(agreement for agreement, _ in walls)
    return float(median(wall_s for agreement, wall_s in walls if agreement == best))


def _agreement(wanted: Mapping[str, Json], settings: Mapping[str, Json]) -> int:
    return sum(name in settings and settings[name] == value for name, value in wanted.items())
