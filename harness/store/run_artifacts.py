"""The artifacts of a run that are still in the store, and what each was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.artifact import Artifact, Json
from harness.formats.strict_json import canonical
from harness.store.artifacts import Store
from harness.store.entries import content_of
from harness.store.record import KEY_DIGITS, Repeat, Run, Score, TaskInfo


@dataclass(frozen=True)
class Made:
    """An artifact."""

    task: TaskInfo
    output: str
    """Its name among the task's outputs; empty if there is only one."""
    kind: str
    """Name of the artifact's kind in the stage's signature."""
    path: Path

    @property
    def name(self) -> str:
        return f"{self.task.node}.{self.output}" if self.output else self.task.node

    @property
    def content(self) -> str:
        """The key and the output, which determine every byte of the artifact."""
        return f"{self.task.key}/{self.output}"

    @property
    def artifact(self) -> Artifact:
        return Artifact(self.path)

    def is_a(self, kind: type[Artifact]) -> bool:
        return is_kind(self.kind, kind)


@dataclass(frozen=True)
class Used:
    """The outputs that the scores of a run were made from, as far as they are known."""

    contents: Mapping[str, frozenset[str]]
    """Shortened key → digests of the files."""

    @classmethod
    def by(cls, run: Run) -> Used:
        found: dict[str, set[str]] = {}
        for repeat in (r for score in run.scores for r in score.repeats):
            for made in (*repeat.drawn.values(), *repeat.tested.values()):
                if made.content:
                    found.setdefault(made.key, set()).add(made.content)
        return cls({key: frozenset(contents) for key, contents in found.items()})

    def is_another(self, key: str, content: str) -> bool:
        """Whether an output is known to be of another execution than the run used."""
        known = self.contents.get(key[:KEY_DIGITS])
        return known is not None and content not in known


class Shelf:
    """The artifacts of a run's stages that are still in the store.

    Raises:
        StoreError: the store cannot be read.
    """

    def __init__(self, run: Run, store: Store) -> None:
        self.run = run
        self._made: dict[str, list[Made]] = {}
        """Node → its artifacts, in the plan's order."""
        used = Used.by(run)
        for task in run.tasks:
            entry = None if task.node in run.metrics else store.get(task.key)
            if entry is not None and used.is_another(task.key, content_of(entry)):
                continue  # what was made again is not what the run was scored on
            for folder, output in entry.outputs.items() if entry else ():
                name = "" if folder == "out" else folder
                made = Made(task, name, output.kind, store.folder(task.key) / folder)
                self._made.setdefault(task.node, []).append(made)

    def __iter__(self) -> Iterator[Made]:
        """All artifacts, in the plan's order."""
        for of_node in self._made.values():
            yield from of_node

    def by_name(self, kind: type[Artifact]) -> Mapping[str, list[Made]]:
        """The artifacts of a kind, by stage and output."""
        found: dict[str, list[Made]] = {}
        for made in (m for m in self if m.is_a(kind)):
            found.setdefault(made.name, []).append(made)
        return found

    def behind(self, made: Made) -> Iterator[Made]:
        """The artifacts that an artifact was made from, the nearest first."""
        return self._above(made.task)

    def behind_score(self, score: Score, repeat: Repeat, by: str | None = None) -> Iterator[Made]:
        """The artifacts behind a score, the nearest first; with ``by``, only those behind that input of the metric."""
        task = TaskInfo(score.metric, repeat.key, score.point, repeat.seeds, "cached", 0.0)
        return self._above(task, by)

    def inputs(self, node: str) -> frozenset[str]:
        """The names of a node's inputs."""
        return frozenset(self._declared(node))

    def _above(self, task: TaskInfo, by: str | None = None) -> Iterator[Made]:
        level, seen = [task], set[str]()
        while level:
            above: list[Made] = []
            for current in level:
                for source in self._inputs(current, by if current is task else None):
                    if source.content not in seen:
                        seen.add(source.content)
                        above.append(source)
            yield from above
            level = [made.task for made in above]

    def _declared(self, node: str) -> Mapping[str, Json]:
        """Input name → what a node takes it from."""
        stages = self.run.declaration.get("stages")
        declared = stages.get(node) if isinstance(stages, Mapping) else None
        inputs = declared.get("inputs") if isinstance(declared, Mapping) else None
        return inputs if isinstance(inputs, Mapping) else {}

    def _inputs(self, task: TaskInfo, by: str | None) -> Iterator[Made]:
        """The inputs as the suite wires them; if an axis sweeps the wiring, as wired at the task's point."""
        for name, declared in self._declared(task.node).items():
            if by not in (None, name):
                continue
            wired = task.point.get(f"{task.node}.{name}", declared)
            for ref in [wired] if isinstance(wired, str) else wired if isinstance(wired, list) else ():
                stage, _, output = str(ref).partition(".")
                for made in self._made.get(stage, ()):
                    if made.output == output and _is_upstream(made.task, task):
                        yield made


def _is_upstream(source: TaskInfo, task: TaskInfo) -> bool:
    """Whether a task is at the point and repeat of a task below it: its axes are a subset of the lower task's."""
    below = {**task.point, **task.seeds}
    return all(
        axis in below and canonical(below[axis]) == canonical(value)
        for axis, value in {**source.point, **source.seeds}.items()
    )


def is_kind(name: str, kind: type[Artifact]) -> bool:
    """Whether the kind of this name is ``kind`` or a subclass of it. Only imported classes are known by their names."""
    return name in _names(kind)


def _names(kind: type[Artifact]) -> set[str]:
    """The names of a kind and its subclasses."""
    return {kind.__name__}.union(*(_names(below) for below in kind.__subclasses__()))
