"""A suite after it was read: frozen, complete and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.artifact import Images, Json
from harness.errors import Where
from harness.stage import Stage
from harness.suite.images import ImageName
from harness.suite.typed import shown, to_json


@dataclass(frozen=True)
class Ref:
    """An output of a stage."""

    stage: str
    output: str = ""
    """Name of the output; ``""`` if the stage has a single, unnamed output."""

    def __str__(self) -> str:
        return f"{self.stage}.{self.output}" if self.output else self.stage


@dataclass(frozen=True)
class Node:
    """A stage or a metric of the suite."""

    name: str
    stage: Stage
    inputs: Mapping[str, tuple[Ref, ...]]
    """The inputs that the suite wires; an optional input that it leaves out is absent."""
    parameters: Mapping[str, Any]
    """All parameters, bound by their types, including defaults."""
    given: frozenset[str]
    """The parameters that the suite gives; the others have their defaults."""
    where: Where
    image: ImageName | None = None
    """The container image that it runs in; None if neither the stage nor the suite names one."""


@dataclass(frozen=True)
class Axis:
    """Values that a field takes in turn."""

    field: str
    """``node.field``."""
    values: tuple[Any, ...]
    """Values bound by the field's type; for an input, each value is a ``tuple[Ref, ...]``."""
    names: tuple[str, ...] = ()
    """The names that the suite gives the values, empty for one without; nothing if it names none."""

    def name_of(self, value: Any) -> str:
        """The name that the suite gives a value; empty if it gives none."""
        return self.names[self.values.index(value)] if self.names else ""

    @property
    def node(self) -> str:
        return self.field.partition(".")[0]

    @property
    def name(self) -> str:
        return self.field.partition(".")[2]


@dataclass(frozen=True)
class Margin:
    """The largest acceptable worsening: not negative, in the metric's unit or as a fraction of the baseline."""

    value: float
    relative: bool = False


@dataclass(frozen=True)
class Gate:
    """A score field that gets a verdict."""

    metric: str
    field: str
    margin: Margin
    at: Mapping[str, Any]
    """Axis → value. Empty for the mean over all points."""
    against_reference: bool
    """Whether the field is compared with the suite's reference within the run instead of with the baseline."""
    where: Where


@dataclass(frozen=True)
class Suite:
    """A declared evaluation."""

    name: str
    about: str
    file: Path
    project: Path
    """The nearest folder above the file that holds ``suites/``, else the working folder."""
    subject: tuple[str, ...]
    """``node`` or ``node.field``."""
    nodes: Mapping[str, Node]
    """Stages and metrics, each after every node that it can take inputs from."""
    metrics: tuple[str, ...]
    matrix: tuple[Axis, ...]
    exclude: tuple[Mapping[str, Any], ...]
    """Points of the matrix, or partial points, that are left out: axis → value."""
    seeds: tuple[Axis, ...]
    """The swept seeds, with lists of equal length: repeat *i* takes the *i*-th value of each list."""
    reference: Mapping[str, Any]
    """Axis → the value that the other values of that axis are compared with."""
    gates: tuple[Gate, ...]

    def spelled(self, field: str, value: Any) -> Json:
        """A value of an axis in plain form, as in keys and settings: a source by its content."""
        refs = self._spelled_refs(field, value)
        return to_json(value) if refs is None else refs

    def shown(self, field: str, value: Any) -> Json:
        """A value of an axis as points name it: the name that the suite gives it, else as written."""
        axis = next((a for a in self.matrix if a.field == field), None)
        refs = self._spelled_refs(field, value)
        return (axis.name_of(value) if axis else "") or (shown(value) if refs is None else refs)

    def _spelled_refs(self, field: str, value: Any) -> Json:
        node, _, name = field.partition(".")
        spec = self.nodes[node].stage.inputs.get(name)
        if spec is None:
            return None
        refs: list[Json] = [str(r) for r in value]
        return refs if spec.many else refs[0]

    def upstream(self, node: str) -> frozenset[str]:
        """The nodes that can reach ``node`` at any point of the matrix, without ``node``."""
        return self._upstream[node]

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """Stages whose output no node takes and is plain ``Images``, pictures to look at: run for the report."""
        needed = set(self.metrics).union(*(self.upstream(m) for m in self.metrics))
        return tuple(
            name
            for name, node in self.nodes.items()
            if name not in needed
            and not any(name in self.upstream(other) for other in self.nodes)
            and set(node.stage.outputs.values()) == {Images}
        )

    @cached_property
    def _upstream(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for name, node in self.nodes.items():
            direct = sources(node, self.matrix)
            found[name] = direct.union(*(found[s] for s in direct))
        return found


def sources(node: Node, matrix: tuple[Axis, ...]) -> frozenset[str]:
    """The nodes that ``node`` takes from directly; for a swept input, all its alternatives."""
    swept = {a.name: a.values for a in matrix if a.node == node.name}
    wirings = [w for name, refs in node.inputs.items() for w in swept.get(name, (refs,))]
    return frozenset(ref.stage for refs in wirings for ref in refs)
