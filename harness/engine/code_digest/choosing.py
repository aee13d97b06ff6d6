"""Whether the key of a table look-up was chosen by a parameter, found by following annotations from the stage.

A name or an attribute may be the key of a table if its annotation names that table: a function's parameter, a field
of a class, a variable. A value passed to such a parameter or field must be declared in the same way, or be a literal.
So signatures are read, too: parameters, fields, base classes and return types. Otherwise the code depends on the whole
table. Only the annotation of a variable is trusted without a check: ``family: Annotated[str, FAMILIES] = …`` declares
that this text, read from an input, is the chosen name.
The parameters of methods and of nested functions are ignored, because their callers cannot be found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.engine.code_digest import hints, names
from harness.engine.code_digest.hints import aliased, of_dataclass, types
from harness.engine.code_digest.modules import Module
from harness.engine.code_digest.names import Definition
from harness.engine.code_digest.scopes import Function, Scope


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
        return hints.named(self.annotation, self.module)


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
    found = []
    for binding, module in names.bound(definition):
        if isinstance(binding.bound, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(_signature(binding.bound, module))
        elif isinstance(binding.bound, ast.ClassDef):
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
    """The signature of ``__init__``, if the class or a class above it has one; otherwise it is made from the fields."""
    return (None if _is_dataclass(own) else _initialiser(own)) or Signature(list(fields(own).values()), [])


def _is_dataclass(own: Class) -> bool:
    """Whether a class has an ``__init__`` of its own fields, which hides that of a base class."""
    marks = (d.func if isinstance(d, ast.Call) else d for d in own.node.decorator_list)
    own_init = any(isinstance(s, ast.FunctionDef) and s.name == "__init__" for s in own.node.body)
    return not own_init and any((names.dotted(mark) or ("",))[-1] == "dataclass" for mark in marks)


def _initialiser(own: Class) -> Signature | None:
    for statement in own.node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return _signature(statement, own.module, bound=1)
    return next(filter(None, map(_initialiser, bases(own))), None)


def fields(own: Class) -> dict[str, Place]:
    """The annotated variables of a class, with those of its own-package base classes first.

    With several base classes the last comes first, as in a dataclass.
    """
    found: dict[str, Place] = {}
    for base in reversed(list(bases(own))):
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
    for binding, module in names.bound(definition):
        match binding.bound, rest:
            case ast.ClassDef(), ():
                yield from classes_of(definition)
            case ast.FunctionDef(returns=annotation), ():
                yield from classes(annotation, module)
            case ast.ClassDef(body=body), (name,):
                for method in body:
                    if isinstance(method, ast.FunctionDef) and method.name == name:
                        yield from classes(method.returns, module)


def classes_of(definition: Definition, seen: frozenset[Definition] = frozenset()) -> Iterator[Class]:
    """The class that a definition is, or the classes that an alias names."""
    for binding, module in names.bound(definition):
        if isinstance(binding.bound, ast.ClassDef):
            yield Class(binding.bound, module)
        elif (value := aliased(binding)) is not None:
            yield from classes(value, module, seen)


@dataclass(frozen=True)
class Site:
    """A place in the code: the module and the scopes that it is in."""

    module: Module
    scopes: tuple[Scope, ...]
    followed: frozenset[str] = frozenset()
    """Variables that were already followed on the way here."""

    def declared(self, node: ast.expr) -> list[Definition]:
        """The tables that the annotation of a name or an attribute names."""
        if isinstance(node, ast.Name):
            scope = self._single(node.id)
            if scope is None or self._is_unseen(node.id, scope):
                return []
            if annotation := scope.annotations.get(node.id):
                return hints.named(annotation, self.module)
            if value := self._value(node.id, scope):
                return self._following(node.id, scope).declared(value)
            return self._of_iterable(scope.loops.get(node.id), scope)
        if isinstance(node, ast.Attribute):
            return [*self.declared(node.value), *self._of_field(node.value, node.attr)]
        return []

    def _of_iterable(self, through: ast.expr | None, scope: Scope) -> list[Definition]:
        """The tables that the elements of an annotated iterable choose from."""
        around = self._around(scope)
        site = (
            Site(self.module, (*around, scope))
            if isinstance(scope.node, Function)
            else Site(self.module, around)
        )
        if isinstance(through, ast.Name) and (bound := site._single(through.id)) is not None:
            return site.declared(through) if through.id in bound.annotations else []
        return []

    def given(self, call: ast.Call) -> list[Definition]:
        """What a call depends on: entries chosen by a literal, or whole tables if the choice cannot be seen."""
        found = [d for s in self._called(call) for d in self._filled(s, call)]
        for owner in self._copied(call):
            for keyword in call.keywords:
                if keyword.arg is None:  # ``**`` may fill any field
                    found += [t for own in self._types(owner) for p in fields(own).values() for t in p.tables]
                else:
                    found += self._taken(keyword.value, self._of_field(owner, keyword.arg))
        return found

    def assigned(self, target: ast.expr, value: ast.expr | None) -> list[Definition]:
        """As ``given``, for ``target = value`` where a target is a field; without a value the choice cannot be seen."""
        if isinstance(target, ast.Tuple | ast.List):
            values: Sequence[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
                values = value.elts
            pairs = zip(target.elts, values, strict=True)
            return [d for pair in pairs for d in self.assigned(*pair)]
        if not isinstance(target, ast.Attribute):
            return []
        wanted = self._of_field(target.value, target.attr)
        return list(wanted) if value is None else self._taken(value, wanted)

    def _taken(self, value: ast.expr, wanted: Iterable[Definition]) -> list[Definition]:
        if isinstance(value, ast.IfExp):
            return [*self._taken(value.body, wanted), *self._taken(value.orelse, wanted)]
        if isinstance(value, ast.Constant):
            name = value.value
            return [
                t._replace(entry=name) for t in wanted if isinstance(name, str) and name in hints.entries(t)
            ]
        seen = self.declared(value)
        return [table for table in wanted if table not in seen]

    def _filled(self, signature: Signature, call: ast.Call) -> Iterator[Definition]:
        given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        count = next((i for i, a in enumerate(call.args) if isinstance(a, ast.Starred)), len(call.args))
        given |= {p.name: a for p, a in zip(signature.by_position, call.args[:count], strict=False)}
        spread = {p.name for p in signature.by_position} if count < len(call.args) else set()
        if any(keyword.arg is None for keyword in call.keywords):
            spread |= {p.name for p in (*signature.by_position, *signature.by_name)}
        for place in (*signature.by_position, *signature.by_name):
            if place.name in given:
                yield from self._taken(given[place.name], place.tables)
            elif place.name in spread:
                yield from place.tables
            elif place.default is not None:
                yield from Site(place.module, ())._taken(place.default, place.tables)

    def _called(self, call: ast.Call) -> Iterator[Signature]:
        match call.func:
            case ast.Attribute(value=ast.Call(func=ast.Name("super")), attr="__init__"):
                around = (s.node for s in reversed(self.scopes) if isinstance(s.node, ast.ClassDef))
                for base in (b for node in around for b in bases(Class(node, self.module))):
                    yield constructor(base)
            case (
                ast.Call(func=ast.Name("type"), args=[instance])
                | ast.Attribute(value=instance, attr="__class__")
            ):
                yield from (constructor(own) for own in self._types(instance))
            case ast.Name(name) if (scope := self._single(name)) is not None:
                if self._is_first_of_method(name, scope):
                    yield from (constructor(own) for own in self._types(call.func))
            case _ if dotted := names.dotted(call.func):
                for target in names.within(dotted, self.scopes, self.module):
                    if target and isinstance(target.to, Definition) and target.rest in ((), ("__init__",)):
                        first = [Place("self", None, None, self.module)] if target.rest else []
                        yield from (Signature([*first, *s.by_position], s.by_name) for s in of(target.to))

    def _copied(self, call: ast.Call) -> Iterator[ast.expr]:
        """The argument ``x`` of ``replace(x, …)`` and ``x._replace(…)``."""
        if isinstance(call.func, ast.Attribute) and call.func.attr == "_replace":
            yield call.func.value
        elif call.args and (dotted := names.dotted(call.func)):
            targets = names.within(dotted, self.scopes, self.module)
            yield from (call.args[0] for t in targets if t and t.to == "dataclasses.replace")

    def _of_field(self, owner: ast.expr, name: str) -> list[Definition]:
        """The tables that a field names, for each class that the owner may be an instance of."""
        of_classes = [fields(own)[name].tables for own in self._types(owner) if name in fields(own)]
        return [t for t in (of_classes[0] if of_classes else []) if all(t in others for others in of_classes)]

    def _types(self, node: ast.expr) -> Iterator[Class]:
        """The own-package classes that a name or an attribute is declared as."""
        if isinstance(node, ast.Name) and (scope := self._single(node.id)) is not None:
            if annotation := scope.annotations.get(node.id):
                yield from classes(annotation, self.module)
            elif value := self._value(node.id, scope):
                yield from self._following(node.id, scope)._types(value)
            elif self._is_first_of_method(node.id, scope):
                around = self._around(scope)[-1].node
                assert isinstance(around, ast.ClassDef)
                yield Class(around, self.module)
        elif isinstance(node, ast.Call) and (dotted := names.dotted(node.func)):
            for target in names.within(dotted, self.scopes, self.module):
                if target and isinstance(target.to, Definition):
                    yield from returned(target.to, target.rest)
        elif isinstance(node, ast.Attribute):
            for own in self._types(node.value):
                if place := fields(own).get(node.attr):
                    yield from classes(place.annotation, place.module)

    def _single(self, name: str) -> Scope | None:
        """The function, class or comprehension that binds a name, if it binds the name exactly once."""
        scope = names.binding_scope(name, self.scopes)
        single = scope is not None and scope.times[name] == 1 and name not in scope.imports
        return scope if single else None

    def _value(self, name: str, scope: Scope) -> ast.expr | None:
        """The value assigned to a variable, unless the variable was already followed."""
        return scope.values.get(name) if name not in self.followed else None

    def _following(self, name: str, scope: Scope) -> Site:
        return Site(self.module, (*self._around(scope), scope), self.followed | {name})

    def _around(self, scope: Scope) -> tuple[Scope, ...]:
        return self.scopes[: next(i for i, s in enumerate(self.scopes) if s is scope)]

    def _is_unseen(self, name: str, scope: Scope) -> bool:
        """Whether a name is a parameter of a method or a nested function, whose callers cannot be found."""
        node = scope.node
        if not isinstance(node, Function):
            return False
        parameters = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        seen = self._is_of_class(scope) and getattr(node, "name", "") == "__init__"
        return bool(self._around(scope)) and not seen and any(a.arg == name for a in parameters)

    def _is_first_of_method(self, name: str, scope: Scope) -> bool:
        """Whether a name is ``self`` or ``cls``."""
        node = scope.node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not self._is_of_class(scope):
            return False
        first = next(iter((*node.args.posonlyargs, *node.args.args)), None)
        static = any(names.dotted(d) == ("staticmethod",) for d in node.decorator_list)
        return first is not None and first.arg == name and not static

    def _is_of_class(self, scope: Scope) -> bool:
        """Whether a scope is a method of a class at module level."""
        around = self._around(scope)
        return len(around) == 1 and around[0].is_class
