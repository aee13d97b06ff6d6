"""What an annotation refers to: the types that it names, through aliases, and the extras in ``Annotated[…, HERE]``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from harness.engine.code_digest import names
from harness.engine.code_digest.modules import Binding, Module, load
from harness.engine.code_digest.names import Chain, Definition

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
            other = load(to.module)
            for binding in other.bindings.get(to.name, []) if other else []:
                if other and (value := aliased(binding)) is not None:
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
