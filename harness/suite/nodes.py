"""The sections ``stages`` and ``metrics``: names, stage functions, inputs and parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import SuiteError, UsageError, Where, nearest
from harness.stage import REQUIRED, Input, Parameter, Stage
from harness.suite import registry
from harness.suite.extends import STAGES
from harness.suite.fields import Field, Fields
from harness.suite.located_yaml import Entry, Map, Scalar, shorten
from harness.suite.model import Axis, Node, Ref, sources
from harness.suite.problems import Problems, closed, mapping
from harness.suite.typed import describe

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Declared:
    """A node with its stage function, and its entry in the suite, not yet bound."""

    name: str
    stage: Stage
    said: Mapping[str, Entry]
    where: Where


def declared(tree: Map, problems: Problems) -> dict[str, Declared]:
    """The nodes of a suite with their stage functions, in the suite's order."""
    found: dict[str, Declared] = {}
    sections = {s: mapping(tree.entries[s], s) for s in STAGES}
    names = [n for section in sections.values() for n in section.entries]
    for section, held in sections.items():
        if not held.entries:
            problems.add(tree.entries[section].key_where, f"{section}: there must be at least one")
        for name, entry in held.entries.items():
            with problems.collect():
                if name in found:
                    raise SuiteError(
                        entry.key_where, f"{name!r} is a stage already (line {found[name].where.line})"
                    )
                found[name] = _declared(name, entry, section == "metrics", [n for n in names if n != name])
    return found


def _declared(name: str, entry: Entry, as_metric: bool, others: list[str]) -> Declared:
    what = "metric" if as_metric else "stage"
    if not _NAME.fullmatch(name):
        raise SuiteError(
            entry.key_where,
            f"{shorten(name)!r} is no name of a {what}: small letters, digits and _, a letter first",
        )
    said = mapping(entry, f"{what} {name!r}").entries
    if "use" not in said:
        raise SuiteError(entry.key_where, f"{what} {name!r} has no 'use'{nearest(name, others)}")
    use = said["use"].value
    if not isinstance(use, Scalar) or use.is_null:
        raise SuiteError(use.where, f"use: expected module.function, not {use}")
    try:
        stage = registry.find(use.text)
    except UsageError as e:
        raise SuiteError(use.where, f"use: {e}") from None
    if stage.is_metric and not as_metric:
        raise SuiteError(use.where, f"use: {stage.name} is a metric; it belongs under 'metrics'")
    if as_metric and not stage.is_metric:
        raise SuiteError(use.where, f"use: {stage.name} returns no scores; it belongs under 'stages'")
    return Declared(name, stage, {k: e for k, e in said.items() if k != "use"}, entry.key_where)


def bind(node: Declared, fields: Fields, problems: Problems) -> Node:
    """A node with its inputs and parameters; a field that cannot be bound is noted as a problem and left out."""
    stage = node.stage
    specs: dict[str, Input | Parameter] = {**stage.inputs, **stage.parameters}
    closed(node.said, specs, f"{node.name!r} ({stage.name})", problems)
    inputs: dict[str, tuple[Ref, ...]] = {}
    parameters: dict[str, Any] = {}
    for name, spec in specs.items():
        optional = spec.optional if isinstance(spec, Input) else spec.default is not REQUIRED
        entry = node.said.get(name)
        if entry is None and not optional:
            problems.add(node.where, f"{node.name!r} needs {name!r}: {_wanted(stage, name)}")
        with problems.collect():
            if isinstance(spec, Input):
                if entry is not None and not (
                    optional and isinstance(entry.value, Scalar) and entry.value.is_null
                ):
                    inputs[name] = fields.bind(Field(node.name, name, spec), entry.value)
            elif entry is not None:
                parameters[name] = fields.bind(Field(node.name, name, spec), entry.value)
            elif optional:
                parameters[name] = spec.default
    given = frozenset(stage.parameters.keys() & node.said.keys())
    return Node(node.name, stage, inputs, parameters, given, node.where)


def _wanted(stage: Stage, name: str) -> str:
    if name in stage.inputs:
        spec = stage.inputs[name]
        return f"{'a list of ' if spec.many else ''}{spec.kind.__name__}, an input of {stage.name}"
    return f"{describe(stage.parameters[name].type)}, a parameter of {stage.name}"


def ordered(nodes: Mapping[str, Node], matrix: tuple[Axis, ...]) -> dict[str, Node]:
    """The nodes sorted so that each comes after those that it takes from; otherwise in the suite's order.

    Raises:
        SuiteError: the inputs form a cycle.
    """
    place = {name: i for i, name in enumerate(nodes)}
    done: dict[str, Node] = {}
    for start in nodes:
        path: list[str] = []
        waiting = [iter([start])]
        while waiting:
            name = next(waiting[-1], None)
            if name is None:
                waiting.pop()
                if path:
                    last = path.pop()
                    done[last] = nodes[last]
            elif name in path:
                circle = " → ".join([*path[path.index(name) :], name])
                raise SuiteError(nodes[name].where, f"stages go in a circle: {circle}")
            elif name not in done:
                path.append(name)
                waiting.append(iter(sorted(sources(nodes[name], matrix), key=place.__getitem__)))
    return done
