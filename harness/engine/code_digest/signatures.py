"""What a call may pass to a function or class: parameters, fields, base classes and return types, read from source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from harness.engine.code_digest import names, tables
from harness.engine.code_digest.hints import aliased, of_dataclass, types
from harness.engine.code_digest.modules import Module, load
from harness.engine.code_digest.names import Definition


@dataclass(frozen=True)
class Class:
    """A class of an own package, and the module that contains it."""

    node: ast.ClassDef
    module: Module


@dataclass(frozen=True)
class Place:
    """A parameter or a field that an argument can fill."""

    name: str
    annotation: ast.expr | None
    default: ast.expr | None
    module: Module

    @property
    def tables(self) -> list[Definition]:
        return tables.named(self.annotation, self.module)


@dataclass(frozen=True)
class Signature:
    """The arguments that a call may pass."""

    by_position: list[Place]
    by_name: list[Place]
    """Keyword-only ones."""


def asked_of(definition: Definition) -> list[Definition]:
    """The tables that the parameters of a function, or the fields of a class, choose from."""
    every = (p for s in of(definition) for p in (*s.by_position, *s.by_name))
    return list(dict.fromkeys(table for place in every for table in place.tables))


def of(definition: Definition) -> list[Signature]:
    """The signatures of a function, or of the constructor of a class."""
    module = load(definition.module)
    found = []
    for binding in module.bindings.get(definition.name, []) if module else []:
        if module and isinstance(binding.bound, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(_signature(binding.bound, module))
        elif module and isinstance(binding.bound, ast.ClassDef):
            found.append(constructor(Class(binding.bound, module)))
    return found


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, module: Module, bound: int = 0) -> Signature:
    positional = [*node.args.posonlyargs, *node.args.args]
    without = len(positional) - len(node.args.defaults)
    defaults = [None] * without + list(node.args.defaults)
    by_position = [Place(a.arg, a.annotation, d, module) for a, d in zip(positional, defaults, strict=True)]
    named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return Signature(by_position[bound:], [Place(a.arg, a.annotation, d, module) for a, d in named])


def constructor(own: Class) -> Signature:
    """The signature of ``__init__``, if the class or a base class has one; otherwise it is made from the fields."""
    for statement in own.node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return _signature(statement, own.module, bound=1)
    for base in bases(own):
        if any(isinstance(s, ast.FunctionDef) and s.name == "__init__" for s in base.node.body):
            return constructor(base)
    return Signature(list(fields(own).values()), [])


def fields(own: Class) -> dict[str, Place]:
    """The annotated variables of a class, with those of its own-package base classes first."""
    found: dict[str, Place] = {}
    for base in bases(own):
        found |= fields(base)
    for statement in own.node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(name), annotation=hint, value=default):
                if "ClassVar" not in of_dataclass(hint):
                    found[name] = Place(name, hint, default, own.module)
    return found


def bases(own: Class) -> Iterator[Class]:
    """The base classes of a class that are in own packages."""
    for base in own.node.bases:
        yield from (found for found in classes(base, own.module) if found.node is not own.node)


def classes(
    annotation: ast.expr | None, module: Module, seen: frozenset[Definition] = frozenset()
) -> Iterator[Class]:
    """The own-package classes that an annotation names, with aliases resolved."""
    for dotted in types(annotation):
        to = names.resolve(dotted, module).to
        if isinstance(to, Definition) and to not in seen:
            yield from classes_of(to, seen | {to})


def returned(definition: Definition, rest: names.Chain) -> Iterator[Class]:
    """The own-package classes that a call returns: the class itself, or the return type of a function or method."""
    module = load(definition.module)
    for binding in module.bindings.get(definition.name, []) if module else []:
        match binding.bound, rest:
            case ast.ClassDef(), ():
                yield from classes_of(definition)
            case ast.FunctionDef(returns=annotation), () if module:
                yield from classes(annotation, module)
            case ast.ClassDef(body=body), (name,) if module:
                for method in body:
                    if isinstance(method, ast.FunctionDef) and method.name == name:
                        yield from classes(method.returns, module)


def classes_of(definition: Definition, seen: frozenset[Definition] = frozenset()) -> Iterator[Class]:
    """The class that a definition is, or the classes that an alias names."""
    module = load(definition.module)
    for binding in module.bindings.get(definition.name, []) if module else []:
        if module and isinstance(binding.bound, ast.ClassDef):
            yield Class(binding.bound, module)
        elif module and (value := aliased(binding)) is not None:
            yield from classes(value, module, seen)
