"""What an annotation refers to: the types that it names, through aliases, and the tables in ``Annotated[…, TABLE]``.

A table, from which a value chooses one entry, is read from source: ``TABLE = Choices({"a": …})``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from harness.engine.code_digest import names
from harness.engine.code_digest.modules import Binding, Module
from harness.engine.code_digest.names import Chain, Definition, Target

_DATACLASS_WORDS = frozenset({"ClassVar", "InitVar", "KW_ONLY"})
"""Annotations that change how a dataclass behaves."""


def types(node: ast.AST | None) -> Iterator[Chain]:
    """The dotted names of the types in an annotation, including those in quotes."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return
    if node is None:
        return
    if dotted := names.dotted(node):
        yield dotted
        return
    if isinstance(node, ast.Subscript):
        head = (names.dotted(node.value) or ("",))[-1]
        yield from types(node.value)
        if head == "Literal":
            return
        if head == "Annotated" and isinstance(node.slice, ast.Tuple):
            yield from types(node.slice.elts[0])
            return
        yield from types(node.slice)
        return
    for child in ast.iter_child_nodes(node):
        yield from types(child)


def extras(
    node: ast.AST | None, module: Module, seen: frozenset[Definition] = frozenset()
) -> list[Definition]:
    """The definitions in ``Annotated[…, HERE]``, in the annotation or in its aliases."""
    found: dict[Definition, None] = {}
    for inner in ast.walk(node) if node else ():
        if isinstance(inner, ast.Subscript) and (names.dotted(inner.value) or ("",))[-1] == "Annotated":
            for extra in inner.slice.elts[1:] if isinstance(inner.slice, ast.Tuple) else ():
                target = names.resolve(dotted, module) if (dotted := names.dotted(extra)) else None
                if target and isinstance(target.to, Definition):
                    found[target.to] = None
    for dotted in types(node):
        to = names.resolve(dotted, module).to
        if isinstance(to, Definition) and to not in seen:
            for binding, other in names.bound(to):
                if (value := aliased(binding)) is not None:
                    found.update(dict.fromkeys(extras(value, other, seen | {to})))
    return list(found)


def aliased(binding: Binding) -> ast.expr | None:
    """What a type alias refers to; None for a class and for anything computed."""
    value = getattr(binding.bound, "value", None)
    is_alias = isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp | ast.Constant)
    return value if is_alias and not binding.guards else None


def of_dataclass(annotation: ast.expr) -> list[str]:
    """The words in an annotation that change how a dataclass behaves."""
    return sorted({dotted[-1] for dotted in types(annotation)} & _DATACLASS_WORDS)


def is_table(definition: Definition) -> bool:
    """Whether a definition is ``NAME = Choices({…})``."""
    return _call(definition) is not None


@cache
def entries(table: Definition) -> dict[str, ast.expr]:
    """The entries of a table of choices, by name.

    Raises:
        TypeError: the table is not written as one dictionary with a text for each key.
    """
    call = _call(table)
    written = call.args[0] if call and len(call.args) == 1 and not call.keywords else None
    found: dict[str, ast.expr] = {}
    if isinstance(written, ast.Dict):
        for key, value in zip(written.keys, written.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                found[key.value] = value
        if len(found) == len(written.keys):
            return found
    raise TypeError(
        f"{table.module}.{table.name}: Choices({{…}}) takes one dictionary with a text for each key"
    )


def named(annotation: ast.AST | None, module: Module) -> list[Definition]:
    """The tables that an annotation names, as in ``Annotated[…, TABLE]``."""
    return [extra for extra in extras(annotation, module) if is_table(extra)]


@dataclass(frozen=True)
class Chosen:
    """The tables that the annotations of a stage function name."""

    parameters: dict[str, list[Definition]] = field(default_factory=dict)
    """Parameter → the tables from which its value chooses an entry."""
    inputs: dict[str, list[Definition]] = field(default_factory=dict)
    """Input → the tables from which the stage that made the input chose an entry; that entry is in that stage's key."""


def chosen_by(function: Definition) -> Chosen:
    """The tables that the parameters and inputs of a stage function choose from."""
    found = Chosen()
    for binding, module in names.bound(function):
        if not isinstance(binding.bound, ast.FunctionDef):
            continue
        arguments = binding.bound.args
        for place, listed in ((found.inputs, arguments.args), (found.parameters, arguments.kwonlyargs)):
            for a in listed:
                if own := named(a.annotation, module):
                    place[a.arg] = own
    return found


def _call(definition: Definition) -> ast.Call | None:
    bindings = names.bound(definition)
    if len(bindings) != 1 or definition.entry is not None:
        return None
    ((binding, module),) = bindings
    value = None if binding.guards else getattr(binding.bound, "value", None)
    if isinstance(value, ast.Call):
        # ``Choices`` in ``Choices[Value]``.
        called = value.func.value if isinstance(value.func, ast.Subscript) else value.func
        if dotted := names.dotted(called):
            return value if names.resolve(dotted, module) == Target("contract:Choices") else None
    return None
