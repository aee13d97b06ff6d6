"""What a task is and what a score means, each as a part of the suite's fields (see ``docs/keys.md``).

The key of a task is the hash of what would have to run again. The settings of a score are every field upstream of its
metric. Its protocol is the part of them that affects the metric without passing through the subject, and, if the
subject comes from outside, how it is read. Two scores are comparable exactly when their protocols are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from typing import Any

from harness.artifact import Json
from harness.engine import code_digest, extras
from harness.engine.repeat_sources import used
from harness.errors import UsageError
from harness.formats.strict_json import canonical
from harness.stage import REQUIRED, Mark, Stage
from harness.store.record import chosen
from harness.suite import Node, Ref, Suite
from harness.suite.typed import to_json


def task_key(
    identity: Mapping[str, Json],
    parameters: Mapping[str, Json],
    inputs: Mapping[str, Sequence[Sequence[str]]],
) -> str:
    """The key of a task.

    Args:
        identity: identity of the task's stage. A table of choices is reduced to the entries that the parameters choose.
        parameters: all parameters, in plain form.
        inputs: input → its (key, output) pairs, in order.
    """
    parts: dict[str, Any] = {**identity, "parameters": parameters, "inputs": inputs}
    if tables := parts.get("choices"):
        parts["choices"] = {name: chosen(entries, parameters.get(name)) for name, entries in tables.items()}
    body = canonical(parts)
    return sha256(f"harness/task/1:{body}".encode()).hexdigest()


def identity(stage: Stage) -> dict[str, Json]:
    """The stage function's own part of a key; ``choices`` is absent if it chooses from no table.

    Raises:
        UsageError: software that the stage declares is not installed.
    """
    tables = code_digest.choices(stage.function)
    return {
        "function": stage.name,
        "version": stage.version,
        "source": code_digest.digest(stage.function),
        "software": {name: _version(name, stage) for name in stage.software},
        **({"choices": {n: dict(e) for n, e in tables.items()}} if tables else {}),
    }


def remember(stage: Stage) -> None:
    """Read a stage's source now, while the files are still those that were imported; see ``code_digest.edited``.

    Raises:
        UsageError: a table that it chooses from is not written as one dictionary.
    """
    try:
        code_digest.digest(stage.function)
    except TypeError as e:
        raise UsageError(f"{stage.name}: {e}") from None


def _version(distribution: str, stage: Stage) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        told = f"{stage.name} needs the package {distribution!r}, which is not installed"
        raise UsageError(told + extras.hint(stage.software)) from None


Cell = tuple[int, ...]
"""A point of the matrix: the index of the value of each axis."""


class Bindings:
    """The field values of a suite's nodes at each cell of its matrix. Plain forms are computed once."""

    def __init__(self, suite: Suite) -> None:
        suite = used(suite)
        nodes, axes = suite.nodes, suite.matrix
        self.suite = suite
        above = {name: suite.upstream(name) | {name} for name in nodes}
        self.axes = {n: [i for i, a in enumerate(axes) if a.node in above[n]] for n in nodes}
        """Node → indices of the axes upstream of it or on it."""
        self.own_axes = {n: [i for i in found if axes[i].node == n] for n, found in self.axes.items()}
        self.seeds = {n: [j for j, s in enumerate(suite.seeds) if s.node in above[n]] for n in nodes}
        """Node → indices of the swept seeds upstream of it or on it."""
        self.is_wiring = [a.name in nodes[a.node].stage.inputs for a in axes]
        self._spelled_axes = [[suite.spelled(a.field, v) for v in a.values] for a in axes]
        self._shown_axes = [[suite.shown(a.field, v) for v in a.values] for a in axes]
        self._spelled = {n: {p: to_json(v) for p, v in node.parameters.items()} for n, node in nodes.items()}

    def wiring(self, name: str, cell: Cell) -> dict[str, tuple[Ref, ...]]:
        """The outputs that each input of a node takes."""
        wiring = dict(self.suite.nodes[name].inputs)
        for i in self.own_axes[name]:
            if self.is_wiring[i]:
                wiring[self.suite.matrix[i].name] = self.suite.matrix[i].values[cell[i]]
        return wiring

    def parameters(self, name: str, cell: Cell) -> dict[str, Json]:
        """A node's parameters in plain form; a swept seed has the value that the suite gives it outside ``seeds``."""
        spelled = dict(self._spelled[name])
        for i in self.own_axes[name]:
            if not self.is_wiring[i]:
                spelled[self.suite.matrix[i].name] = self._spelled_axes[i][cell[i]]
        return spelled

    def point(self, name: str, cell: Cell) -> dict[str, Json]:
        """The values of the axes that affect a node, as they are named in points."""
        return {self.suite.matrix[i].field: self._shown_axes[i][cell[i]] for i in self.axes[name]}

    def swept(self, name: str, cell: Cell) -> dict[str, Json]:
        """The same in plain form, sources by their content."""
        return {self.suite.matrix[i].field: self._spelled_axes[i][cell[i]] for i in self.axes[name]}

    def reaching(self, metric: str, cell: Cell, *, cut: bool) -> Iterator[str]:
        """The nodes that affect a metric, and the metric; with ``cut``, only along paths that avoid the subject."""
        subject = self.suite.subject
        seen, waiting = set(), [metric]
        while waiting:
            name = waiting.pop()
            if name in seen or (cut and name in subject):
                continue
            seen.add(name)
            yield name
            for n, refs in self.wiring(name, cell).items():
                if not (cut and f"{name}.{n}" in subject):
                    waiting.extend(ref.stage for ref in refs)


@dataclass(frozen=True)
class Meaning:
    """Settings and protocol of a score; see ``record.Score`` for the fields."""

    settings: dict[str, Json]
    protocol: dict[str, Json]


class Protocols:
    """The meanings of a suite's scores."""

    def __init__(self, bindings: Bindings) -> None:
        self.bindings = bindings
        self.suite = bindings.suite
        self._swept = {s.field for s in self.suite.seeds}
        self._walked: dict[tuple[str, Cell], tuple[dict[str, Json], set[str]]] = {}

    def of(self, metric: str, cell: Cell) -> Meaning:
        """Settings and protocol of a score of ``metric`` at ``cell``."""
        base, in_protocol = self._walk(metric, cell)
        settings = dict(base)
        for name, value in self.bindings.swept(metric, cell).items():
            if name in settings:
                settings[name] = value
        protocol = {n: v for n, v in settings.items() if n in in_protocol}
        return Meaning(settings, protocol)

    def _walk(self, metric: str, cell: Cell) -> tuple[dict[str, Json], set[str]]:
        """The fields behind a metric, and which of them are in its protocol.

        Both depend on the wiring alone, so they are computed once per wiring. Values of other axes are filled in later.
        """
        axes, is_wiring = self.bindings.axes[metric], self.bindings.is_wiring
        wired = (metric, tuple(cell[i] for i in axes if is_wiring[i]))
        if wired not in self._walked:
            settings: dict[str, Json] = {}
            in_protocol: set[str] = set()
            reached = list(self.bindings.reaching(metric, cell, cut=False))
            for name in reached:
                settings.update(self._fields(name, cell))
            for name in self.bindings.reaching(metric, cell, cut=True):
                specs = self.suite.nodes[name].stage.parameters
                execution = {f"{name}.{p}" for p, spec in specs.items() if spec.mark is Mark.EXECUTION}
                in_protocol.update(self._fields(name, cell).keys() - execution - set(self.suite.subject))
            for name in set(self.suite.subject).intersection(reached):
                specs = self.suite.nodes[name].stage.parameters
                in_protocol.update(f"{name}.{p}" for p, spec in specs.items() if spec.mark is Mark.READING)
            self._walked[wired] = settings, in_protocol
        return self._walked[wired]

    def _fields(self, name: str, cell: Cell) -> dict[str, Json]:
        """A node's stage, parameters and wiring. Swept seeds are left out: they do not change what a score means."""
        node = self.suite.nodes[name]
        fields: dict[str, Json] = {f"{name}.use": f"{node.stage.name}@{node.stage.version}"}
        for parameter, value in self.bindings.parameters(name, cell).items():
            if f"{name}.{parameter}" not in self._swept:
                fields[f"{name}.{parameter}"] = value
        for n, refs in self.bindings.wiring(name, cell).items():
            fields[f"{name}.{n}"] = _spell_refs(refs, node, n)
        return fields


def defaults(suite: Suite) -> dict[str, Json]:
    """``node.field`` → the stage function's own default, for every parameter that has one."""
    return {
        f"{name}.{p}": to_json(spec.default)
        for name, node in suite.nodes.items()
        for p, spec in node.stage.parameters.items()
        if spec.default is not REQUIRED
    }


def _spell_refs(refs: tuple[Ref, ...], node: Node, name: str) -> Json:
    names: list[Json] = [str(r) for r in refs]
    return names if node.stage.inputs[name].many else names[0]
