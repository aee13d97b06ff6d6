"""Look up and bind the fields of a suite: ``node.field`` and its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.artifact import Artifact
from harness.errors import SuiteError, Where, nearest
from harness.stage import Input, Mark, Parameter, Stage
from harness.suite import typed
from harness.suite.located_yaml import List, Scalar, Tree, shorten
from harness.suite.model import Ref


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
