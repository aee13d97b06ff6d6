"""From a suite to tasks with keys, and to the scores they end in. Nothing runs here and nothing heavy loads.

A task is a node at one point of the axes upstream of it and one repeat of the seeds upstream of it, so a
checkpoint that fifteen scheduler settings share is planned once. The key says what would have to run again;
the protocol says what a score means (see ``docs/keys.md``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from importlib import metadata
from itertools import product
from typing import Any, Literal

from harness import source
from harness.artifact import Json
from harness.errors import UsageError
from harness.record import MetricInfo, canonical
from harness.stage import REQUIRED, Mark, Stage
from harness.suite import Node, Ref, Suite
from harness.typed import to_json

TaskId = tuple[str, str]
"""Node and key. Tasks of different nodes may have equal keys: they run once, and mean different things."""


@dataclass(frozen=True)
class Task:
    """One stage at one point and one repeat."""

    node: str
    key: str
    stage: Stage
    parameters: Mapping[str, Any]
    inputs: Mapping[str, tuple[tuple[TaskId, str], ...]]
    """Input name → the tasks and the outputs of theirs that it takes, in order."""
    point: Mapping[str, Json]
    """The axes upstream of it."""
    seeds: Mapping[str, int]
    """The swept seeds upstream of it."""

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
    """A score to be: see ``record.Score`` for the fields."""

    metric: str
    point: Mapping[str, Json]
    settings: Mapping[str, Json]
    protocol: Mapping[str, Json]
    claim: Literal["this checkpoint", "this recipe"]
    repeats: tuple[PlannedRepeat, ...]


@dataclass(frozen=True)
class Plan:
    suite: Suite
    tasks: Mapping[TaskId, Task]
    """Inputs before what takes them."""
    scores: tuple[PlannedScore, ...]
    metrics: Mapping[str, MetricInfo]
    only: Mapping[str, tuple[Any, ...]]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Distinct keys: what may have to run."""
        return tuple(dict.fromkeys(t.key for t in self.tasks.values()))

    def behind(self, task: TaskId, *, protocol_only: bool = False) -> Iterator[Task]:
        """``task`` and what it was made from; with ``protocol_only`` the graph is cut at the subject."""
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


def make(suite: Suite, *, only: Mapping[str, tuple[Any, ...]] | None = None) -> Plan:
    """Plan a suite.

    Args:
        suite: with its sources resolved, so that data enters the keys by content.
        only: axis → the values to keep.

    Raises:
        UsageError: ``only`` leaves nothing; software that a stage declares is not installed.
    """
    return _Planner(suite, only or {}).plan()


@dataclass
class _Planner:
    suite: Suite
    only: Mapping[str, tuple[Any, ...]]
    tasks: dict[TaskId, Task] = field(default_factory=dict)
    _made: dict[tuple[Any, ...], TaskId] = field(default_factory=dict)
    _walks: dict[tuple[Any, ...], tuple[dict[str, Json], set[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        nodes, axes, seeds = self.suite.nodes, self.suite.matrix, self.suite.seeds
        above = {name: self.suite.upstream(name) | {name} for name in nodes}
        self.above = above
        self.axes_of = {n: [i for i, a in enumerate(axes) if a.node in above[n]] for n in nodes}
        self.seeds_of = {n: [j for j, s in enumerate(seeds) if s.node in above[n]] for n in nodes}
        self.identity = {name: _identity(node.stage) for name, node in nodes.items()}
        self.is_wiring = [a.name in nodes[a.node].stage.inputs for a in axes]
        self.json_values = [
            [_refs_json(v, nodes[a.node], a.name) if wiring else to_json(v) for v in a.values]
            for a, wiring in zip(axes, self.is_wiring, strict=True)
        ]
        self.parameters_json = {
            name: {p: to_json(v) for p, v in node.parameters.items()} for name, node in nodes.items()
        }

    def plan(self) -> Plan:
        cells = list(self._cells())
        if not cells:
            raise UsageError(f"{self.suite.file}: --only leaves no point of the matrix")
        scores = [s for metric in self.suite.metrics for s in self._scores_of(metric, cells)]
        info = {m: self._metric_info(m) for m in self.suite.metrics}
        return Plan(self.suite, self.tasks, tuple(scores), info, self.only)

    def _cells(self) -> Iterator[tuple[int, ...]]:
        """The points of the matrix as indices into the axes' values, without what is excluded."""
        axes = self.suite.matrix
        kept = [
            [i for i, v in enumerate(a.values) if a.field not in self.only or v in self.only[a.field]]
            for a in axes
        ]
        index = {a.field: i for i, a in enumerate(axes)}
        excluded = [
            {index[f]: axes[index[f]].values.index(v) for f, v in e.items()} for e in self.suite.exclude
        ]
        for cell in product(*kept):
            if not any(all(cell[i] == v for i, v in e.items()) for e in excluded):
                yield cell

    def _scores_of(self, metric: str, cells: Iterable[tuple[int, ...]]) -> Iterator[PlannedScore]:
        axes, swept = self.axes_of[metric], self.seeds_of[metric]
        count = len(self.suite.seeds[0].values) if self.suite.seeds else 1
        seed_rows = dict.fromkeys(tuple(self.suite.seeds[j].values[r] for j in swept) for r in range(count))
        repeat_of = {tuple(self.suite.seeds[j].values[r] for j in swept): r for r in reversed(range(count))}
        for cell in {tuple(c[i] for i in axes): c for c in cells}.values():
            settings, protocol = self._fields(metric, cell)
            repeats = tuple(
                PlannedRepeat(
                    {self.suite.seeds[j].field: s for j, s in zip(swept, row, strict=True)},
                    self._task(metric, cell, repeat_of[row]),
                )
                for row in seed_rows
            )
            yield PlannedScore(
                metric, self._point(axes, cell), settings, protocol, self._claim(metric), repeats
            )

    def _task(self, name: str, cell: tuple[int, ...], repeat: int) -> TaskId:
        axes, swept = self.axes_of[name], self.seeds_of[name]
        seed_values = tuple(self.suite.seeds[j].values[repeat] for j in swept)
        place = (name, tuple(cell[i] for i in axes), seed_values)
        if place in self._made:
            return self._made[place]
        node = self.suite.nodes[name]
        parameters, spelled = dict(node.parameters), dict(self.parameters_json[name])
        wiring = dict(node.inputs)
        for i in axes:
            axis = self.suite.matrix[i]
            if axis.node != name:
                continue
            if self.is_wiring[i]:
                wiring[axis.name] = axis.values[cell[i]]
            else:
                parameters[axis.name] = axis.values[cell[i]]
                spelled[axis.name] = self.json_values[i][cell[i]]
        for j, value in zip(swept, seed_values, strict=True):
            if self.suite.seeds[j].node == name:
                parameters[self.suite.seeds[j].name] = spelled[self.suite.seeds[j].name] = value
        inputs = {
            n: tuple((self._task(ref.stage, cell, repeat), ref.output) for ref in refs)
            for n, refs in wiring.items()
        }
        taken = {n: [[key, output] for (_, key), output in t] for n, t in inputs.items()}
        body = canonical({**self.identity[name], "parameters": spelled, "inputs": taken})
        key = sha256(f"harness/task/1:{body}".encode()).hexdigest()
        seeds = {self.suite.seeds[j].field: v for j, v in zip(swept, seed_values, strict=True)}
        task = Task(name, key, node.stage, parameters, inputs, self._point(axes, cell), seeds)
        self.tasks[task.id] = task
        self._made[place] = task.id
        return task.id

    def _point(self, axes: list[int], cell: tuple[int, ...]) -> dict[str, Json]:
        return {self.suite.matrix[i].field: self.json_values[i][cell[i]] for i in axes}

    def _fields(self, metric: str, cell: tuple[int, ...]) -> tuple[dict[str, Json], dict[str, Json]]:
        """Settings and protocol. The walk depends on the wiring alone; parameter axes are laid over it."""
        wired = tuple(cell[i] for i in self.axes_of[metric] if self.is_wiring[i])
        if (metric, wired) not in self._walks:
            settings: dict[str, Json] = {}
            in_protocol: set[str] = set()
            self._walk(metric, cell, settings, None)
            self._walk(metric, cell, {}, in_protocol)
            self._walks[metric, wired] = settings, in_protocol
        base, in_protocol = self._walks[metric, wired]
        settings = dict(base)
        for i in self.axes_of[metric]:
            name = self.suite.matrix[i].field
            if name in settings:
                settings[name] = self.json_values[i][cell[i]]
        return settings, {n: v for n, v in settings.items() if n in in_protocol}

    def _walk(
        self, name: str, cell: tuple[int, ...], seen: dict[str, Json], protocol: set[str] | None
    ) -> None:
        """Collect the fields of a node and of what is above it; for a protocol, cut at the subject."""
        node, subject = self.suite.nodes[name], self.suite.subject
        if f"{name}.use" in seen or (protocol is not None and name in subject):
            return
        wiring = dict(node.inputs)
        for i in self.axes_of[name]:
            if self.suite.matrix[i].node == name and self.is_wiring[i]:
                wiring[self.suite.matrix[i].name] = self.suite.matrix[i].values[cell[i]]
        swept = {s.field for s in self.suite.seeds}
        fields: dict[str, Json] = {f"{name}.use": f"{node.stage.name}@{node.stage.version}"}
        for parameter, value in self.parameters_json[name].items():
            if f"{name}.{parameter}" not in swept:
                fields[f"{name}.{parameter}"] = value
        for n, refs in wiring.items():
            fields[f"{name}.{n}"] = _refs_json(refs, node, n)
        seen.update(fields)
        if protocol is not None:
            execution = {f"{name}.{p}" for p, s in node.stage.parameters.items() if s.mark is Mark.EXECUTION}
            protocol.update(fields.keys() - execution - set(subject))
        for n, refs in wiring.items():
            if protocol is None or f"{name}.{n}" not in subject:
                for ref in refs:
                    self._walk(ref.stage, cell, seen, protocol)

    def _claim(self, metric: str) -> Literal["this checkpoint", "this recipe"]:
        """A swept seed that reaches the subject makes it the recipe that is judged, not one outcome of it."""
        subject = {s.partition(".")[0] for s in self.suite.subject} & self.above[metric]
        return "this recipe" if any(self.seeds_of[s] for s in subject) else "this checkpoint"

    def _metric_info(self, metric: str) -> MetricInfo:
        stage = self.suite.nodes[metric].stage
        assert stage.scores is not None
        fields = {
            f: None if d is None else {"better": d.better, "floor": d.floor} for f, d in stage.scores.items()
        }
        order = list(self.suite.nodes)
        swept = sorted(
            (self.suite.seeds[j] for j in self.seeds_of[metric]), key=lambda s: order.index(s.node)
        )
        return MetricInfo(f"{stage.name}@{stage.version}", fields, tuple(s.field for s in swept))


def defaults(suite: Suite) -> dict[str, Json]:
    """``node.field`` → the stage function's own default, for every parameter that has one."""
    return {
        f"{name}.{p}": to_json(spec.default)
        for name, node in suite.nodes.items()
        for p, spec in node.stage.parameters.items()
        if spec.default is not REQUIRED
    }


def _refs_json(refs: tuple[Ref, ...], node: Node, name: str) -> Json:
    names: list[Json] = [str(r) for r in refs]
    return names if node.stage.inputs[name].many else names[0]


def _identity(stage: Stage) -> dict[str, Json]:
    """What of a key the stage function itself decides."""
    return {
        "function": stage.name,
        "version": stage.version,
        "source": source.digest(stage.function),
        "software": {name: _version(name, stage) for name in stage.software},
    }


def _version(distribution: str, stage: Stage) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        raise UsageError(f"{stage.name} needs the package {distribution!r}, which is not installed") from None
