"""The sections ``stages`` and ``metrics``: nodes, their stage functions, and their fields, the inputs and parameters.

Every other section names a field as ``node.field`` and gives it values (``Fields``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.artifact import Artifact
from harness.errors import SuiteError, UsageError, Where, nearest
from harness.stage import REQUIRED, Input, Mark, Parameter, Stage
from harness.suite import registry, typed
from harness.suite.extends import STAGES
from harness.suite.images import ImageName
from harness.suite.located_yaml import Entry, List, Map, Problems, Scalar, Tree, closed, mapping, shorten
from harness.suite.model import Axis, Node, Ref, sources

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Field:
    """An input or a parameter of a node."""

    node: str
    name: str
    spec: Input | Parameter

    def __str__(self) -> str:
        return f"{self.node}.{self.name}"

    @property
    def is_seed(self) -> bool:
        return isinstance(self.spec, Parameter) and self.spec.mark is Mark.SEED


@dataclass(frozen=True)
class Fields:
    """The fields of all nodes of a suite."""

    stages: Mapping[str, Stage]
    """Node name → its stage."""

    def stage(self, node: str, where: Where, what: str) -> Stage:
        """The stage of a node.

        Raises:
            SuiteError: no such node.
        """
        if node not in self.stages:
            hint = nearest(node, self.stages)
            raise SuiteError(where, f"{what}: no stage or metric {shorten(node)!r}{hint}")
        return self.stages[node]

    def find(self, text: str, where: Where) -> Field:
        """The field that ``node.field`` names.

        Raises:
            SuiteError: no such node or field.
        """
        node, dot, name = text.partition(".")
        stage = self.stage(node, where, repr(shorten(text)))
        specs: dict[str, Input | Parameter] = {**stage.inputs, **stage.parameters}
        if name not in specs:
            missing = f"{stage.name} has no {shorten(name)!r}{nearest(name, specs)}"
            raise SuiteError(where, f"{shorten(text)!r}: {missing if dot else 'expected node.field'}")
        return Field(node, name, specs[name])

    def bind(self, field: Field, tree: Tree) -> Any:
        """The value of ``tree`` for a field: of the parameter's type, or ``tuple[Ref, ...]``.

        Raises:
            SuiteError: the tree is not a valid value.
        """
        if isinstance(field.spec, Parameter):
            return typed.parse(field.spec.type, tree, field.name)
        return self._refs(field, field.spec, tree)

    def _refs(self, field: Field, spec: Input, tree: Tree) -> tuple[Ref, ...]:
        items: tuple[Tree, ...] = tree.items if isinstance(tree, List) else (tree,)
        if isinstance(tree, List) and not spec.many:
            raise SuiteError(tree.where, f"{field.name}: takes one {spec.kind.__name__}, not a list")
        if not items:
            raise SuiteError(tree.where, f"{field.name}: the list is empty")
        return tuple(self._ref(field, spec.kind, item) for item in items)

    def _ref(self, field: Field, wanted: type[Artifact], tree: Tree) -> Ref:
        if not isinstance(tree, Scalar) or tree.is_null:
            raise SuiteError(tree.where, f"{field.name}: expected a stage or stage.output, not {tree}")
        name, dot, output = tree.text.partition(".")
        stage = self.stages.get(name)
        if stage is None:
            suppliers = [n for n, s in self.stages.items() if not s.is_metric]
            raise SuiteError(
                tree.where, f"{field.name}: no stage {shorten(name)!r}{nearest(name, suppliers)}"
            )
        if stage.is_metric:
            raise SuiteError(tree.where, f"{field.name}: {name!r} is a metric; its scores are no input")
        if output not in stage.outputs or (dot and not output):
            raise SuiteError(tree.where, f"{field.name}: {_no_output(name, tree.text, stage)}")
        kind = stage.outputs[output]
        if not issubclass(kind, wanted):
            raise SuiteError(
                tree.where,
                f"{field.name}: takes {wanted.__name__}; {tree.text!r} ({stage.name}) is {kind.__name__}",
            )
        return Ref(name, output)


def _no_output(name: str, text: str, stage: Stage) -> str:
    if "" in stage.outputs:
        return f"{shorten(text)!r}: {stage.name} has a single output; write {name!r}"
    listed = ", ".join(f"'{name}.{o}'" for o in stage.outputs)
    hint = nearest(text, [f"{name}.{o}" for o in stage.outputs])
    return f"{shorten(text)!r} is no output of {stage.name}; it has {listed}{hint if '.' in text else ''}"


@dataclass(frozen=True)
class Declared:
    """A node with its stage function, and its entry in the suite, not yet bound."""

    name: str
    stage: Stage
    said: Mapping[str, Entry]
    where: Where
    image: ImageName | None = None


def declared(tree: Map, problems: Problems) -> dict[str, Declared]:
    """The nodes of a suite with their stage functions, in the suite's order."""
    found: dict[str, Declared] = {}
    common: ImageName | None = None
    with problems.collect():
        common = image(tree.entries.get("image"))
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
                own = _declared(name, entry, section == "metrics", [n for n in names if n != name])
                found[name] = own if own.image else replace(own, image=common)
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
    fields = {k: e for k, e in said.items() if k not in ("use", "image")}
    return Declared(name, stage, fields, entry.key_where, image(said.get("image")))


def image(entry: Entry | None) -> ImageName | None:
    """The image that a suite or a stage names, if it does.

    Raises:
        SuiteError: it is no image that is pinned.
    """
    if entry is None:
        return None
    name: ImageName | None = typed.parse(ImageName | None, entry.value, "image")
    return name


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
    return Node(node.name, stage, inputs, parameters, given, node.where, node.image)


def _wanted(stage: Stage, name: str) -> str:
    if name in stage.inputs:
        spec = stage.inputs[name]
        return f"{'a list of ' if spec.many else ''}{spec.kind.__name__}, an input of {stage.name}"
    return f"{typed.describe(stage.parameters[name].type)}, a parameter of {stage.name}"


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
