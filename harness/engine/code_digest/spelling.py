"""The text of a definition without layout and module names, and the definitions that it refers to."""

from __future__ import annotations

import ast
import json
import pkgutil
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import resolve_name
from typing import Any

from harness.engine.code_digest import choosing, hints, names
from harness.engine.code_digest.hints import entries, is_table
from harness.engine.code_digest.modules import Binding, Import, Module, imported, load, noting
from harness.engine.code_digest.names import WHOLE, Definition, Target
from harness.engine.code_digest.scopes import (
    Comprehension,
    Function,
    Scope,
    of_class,
    of_comprehension,
    of_function,
)


@dataclass(frozen=True)
class Reference:
    """A placeholder in a definition's text for another definition."""

    to: Definition
    chooses: bool = False
    """Whether only the chosen entry of ``to`` is used: ``TABLE[name]``, ``name in TABLE``; or only ``TABLE.names``."""


@dataclass(frozen=True)
class Spelled:
    """A definition's own text, with placeholders for what it refers to."""

    text: str
    references: tuple[Reference, ...]
    """The references, in the order of their placeholders."""
    types: frozenset[Definition]
    """The classes that its annotations name: their methods are called, but their names are not in the text."""
    modules: frozenset[str] = frozenset()
    """Every module that was read for this."""


@cache
def spelled(definition: Definition) -> Spelled:
    """The text and references of a definition in an own package.

    Raises:
        TypeError: a table of choices that is not written as one dictionary with a text for each key.
    """
    with noting() as read:
        found = _spelled(definition)
        return replace(found, modules=frozenset(read))


def _spelled(definition: Definition) -> Spelled:
    module = load(definition.module)
    if module is None:
        return Spelled(json.dumps(["no source", definition.name]), (), frozenset())
    if definition.name == WHOLE:
        parts = [*(Definition(module.name, name) for name in sorted(module.bindings)), *submodules(module)]
        parts += [Definition(star, WHOLE) for star in sorted(module.stars) if load(star) is not None]
        return Spelled('["module"]', tuple(map(Reference, parts)), frozenset())
    speller = _Speller(module, definition)
    if definition.entry is not None:
        text = speller.spell(entries(definition._replace(entry=None))[definition.entry], ())
    else:
        text = [speller.binding(b) for b in module.bindings.get(definition.name, [])] or definition.name
    return Spelled(json.dumps(text), tuple(speller.references), frozenset(speller.types))


def submodules(package: Module) -> list[Definition]:
    """The modules of a package, which are its attributes when they are loaded; none of a plain module."""
    if not package.is_package:
        return []
    inside = sorted(info.name for info in pkgutil.iter_modules([str(package.file.parent)]))
    return [Definition(f"{package.name}.{name}", WHOLE) for name in inside]


_Scopes = tuple[Scope, ...]
_UNSPELLED = frozenset({"annotation", "returns", "type_comment", "type_params", "ctx", "kind"})


@dataclass
class _Speller:
    module: Module
    of: Definition | None = None
    """The definition whose text is made."""
    references: list[Reference] = field(default_factory=list)
    types: set[Definition] = field(default_factory=set)
    _expanded: set[Definition] = field(default_factory=set)
    _quiet: set[int] = field(default_factory=set)
    """Ids of names that are not passed on as values: they are called, or are the class in an ``isinstance`` test."""

    def binding(self, binding: Binding) -> Any:
        guards = [self.spell(guard, ()) for guard in binding.guards]
        if isinstance(binding.bound, Import):
            return [guards, self._target(names.imported(binding.bound, (), self.module))]
        return [guards, self.spell(binding.bound, ())]

    def spell(self, node: object, scopes_: _Scopes) -> Any:
        """A syntax tree as JSON, the same on every Python version: empty and absent fields are left out."""
        if isinstance(node, list):
            return [self.spell(n, scopes_) for n in node if not self._is_silent(n, scopes_)]
        if not isinstance(node, ast.AST):
            return node if isinstance(node, bool | int | str) else [type(node).__name__, repr(node)]
        if isinstance(node, ast.Name | ast.Attribute) and (chain := names.dotted(node)):
            return self._name(chain, node, scopes_)
        if (chosen := self._choice(node, scopes_)) is not None:
            return chosen
        if isinstance(node, ast.Import | ast.ImportFrom):
            return ["import", [self._target(t) for t in self._unused(node, scopes_)]]
        return self._fields(node, scopes_)

    def _fields(self, node: ast.AST, outer: _Scopes) -> Any:
        inner = _inner(node, outer)
        fields: dict[str, Any] = {}
        if depends := self._on_tables(node, outer):
            fields["tables"] = [self._target(Target(table)) for table in depends]
        if module := self._loaded_by_name(node, outer):
            fields["module"] = self._target(module)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns"):
                self._annotation(value, outer)
                if isinstance(node, ast.AnnAssign) and (words := hints.of_dataclass(value)):
                    fields["annotation"] = words
            if name in _UNSPELLED or value is None or value == []:
                continue
            if name == "decorator_list":
                value = [d for d in value if not self._declares_stage(d, outer)]
            if name == "generators":
                fields[name] = [self._generator(g, i, outer, inner) for i, g in enumerate(value)]
            else:
                held = name in ("body", "elt", "key", "value") and inner is not outer
                fields[name] = self.spell(value, inner if held else outer)
        return [type(node).__name__, {name: value for name, value in fields.items() if value != []}]

    def _generator(self, node: ast.comprehension, index: int, outer: _Scopes, inner: _Scopes) -> Any:
        """Spell a ``for`` of a comprehension; the first one reads from the scope around it."""
        source = self.spell(node.iter, inner if index else outer)
        return [source, self.spell(node.target, inner), self.spell(node.ifs, inner), node.is_async]

    def _is_silent(self, node: object, scopes_: _Scopes) -> bool:
        """Whether a node is a docstring of any kind, or an import whose names are used: what they refer to is in the
        text at the place of use.
        """
        if isinstance(node, ast.Import | ast.ImportFrom):
            return not self._unused(node, scopes_)
        return _is_docstring(node)

    def _unused(self, node: ast.Import | ast.ImportFrom, scopes_: _Scopes) -> list[Target]:
        """What an import brings in only for its side effects."""
        used = scopes_[-1].used - scopes_[-1].module_names if scopes_ else frozenset()
        found = []
        for alias, (bound, target) in zip(node.names, imported(node, self.module.package), strict=True):
            if bound not in used:
                whole = target if isinstance(node, ast.ImportFrom) else Import(alias.name, None)
                found.append(names.imported(whole, (), self.module))
        return found

    def _name(self, chain: names.Chain, node: ast.Name | ast.Attribute, scopes_: _Scopes) -> Any:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            return ["local", node.id]
        targets = self._lookup(chain, scopes_)
        found = [["local", *chain] if target is None else self._target(target) for target in targets]
        passed = [d for t in targets if id(node) not in self._quiet for d in self._passed_on(t)]
        found += [self._target(Target(table)) for table in passed]
        return found[0] if len(found) == 1 else ["either", *found]

    def _passed_on(self, target: Target | None) -> list[Definition]:
        """The tables of a function or class that is used as a value, because its later calls cannot be seen."""
        if target is None or target.rest or not isinstance(target.to, Definition) or target.to == self.of:
            return []
        return choosing.asked_of(target.to)

    def _on_tables(self, node: ast.AST, scopes_: _Scopes) -> list[Definition]:
        """The tables and table entries that a call or an assignment depends on, by the keys that it passes on."""
        site = choosing.Site(self.module, scopes_)
        match node:
            case ast.Call(func=called):
                self._quiet.add(id(called))
                if names.dotted(called) in (("isinstance",), ("issubclass",)):
                    self._quiet.update(id(n) for a in node.args[1:] for n in ast.walk(a))
                return site.given(node)
            case ast.ClassDef(bases=bases):
                self._quiet.update(map(id, bases))
            case ast.Assign(targets=targets, value=value):
                return [d for target in targets for d in site.assigned(target, value)]
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                return site.assigned(target, value)
            case ast.AugAssign(target=target):
                return site.assigned(target, None)
        return []

    def _loaded_by_name(self, node: ast.AST, scopes_: _Scopes) -> Target | None:
        """The own module of ``import_module("a.b")``, ``__import__("a.b")``, ``sys.modules["a.b"]``, as a whole.

        ``globals()`` and ``sys.modules[__name__]`` are the module itself.
        """
        package, name = self.module.package, self.module.name
        match node:
            case ast.Call(func=by, args=[], keywords=[]):
                ways: tuple[str, ...] = ("globals",)
            case ast.Subscript(value=by, slice=ast.Name("__name__")):
                ways = ("sys.modules",)
            case ast.Subscript(value=by, slice=ast.Constant(value=str(name))):
                ways = ("sys.modules",)
            case ast.Call(func=by):
                given = [*node.args, *(k.value for k in node.keywords if k.arg in ("name", "package"))]
                words = [g.value if isinstance(g, ast.Constant) else None for g in given]
                if not words or not isinstance(words[0], str):
                    return None
                name = words[0]
                if len(words) > 1 and isinstance(words[1], str):
                    package = words[1]
                ways = ("importlib.import_module", "__import__")
            case _:
                return None
        chain = names.dotted(by)
        found = self._lookup(chain, scopes_) if chain else []
        if not any(t and isinstance(t.to, str) and ".".join((t.to, *t.rest)) in ways for t in found):
            return None
        with suppress(ImportError):  # a relative name that leads out of its package
            whole = resolve_name(name, package) if name.startswith(".") else name
            target = names.imported(Import(whole, None), (), self.module)
            return target if isinstance(target.to, Definition) else None
        return None

    def _target(self, target: Target, *, chooses: bool = False) -> Any:
        if isinstance(target.to, Definition):
            of_table = target.rest == ("names",) and is_table(target.to)
            self.references.append(Reference(target.to, chooses or of_table))
            return ["reference", *target.rest]
        return ["name", *target.to.split("."), *target.rest]

    def _lookup(self, chain: names.Chain, scopes_: _Scopes) -> list[Target | None]:
        return names.within(chain, scopes_, self.module)

    def _choice(self, node: ast.AST, scopes_: _Scopes) -> Any:
        """``TABLE[name]`` and ``name in TABLE`` of a table of choices, else None."""
        match node:
            case (
                ast.Subscript(value=table, slice=key, ctx=ast.Load())
                | ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[table])
            ):
                asked = [type(op).__name__ for op in getattr(node, "ops", ())]
                found = self._table(table, scopes_)
                if found is None:
                    return None
                if isinstance(key, ast.Constant) and key.value in entries(found):
                    self.references.append(Reference(found._replace(entry=key.value)))
                    return ["entry", asked]
                chooses = found in choosing.Site(self.module, scopes_).declared(key)
                return [
                    "entry",
                    asked,
                    self._target(Target(found), chooses=chooses),
                    self.spell(key, scopes_),
                ]
        return None

    def _table(self, node: ast.AST, scopes_: _Scopes) -> Definition | None:
        for target in self._lookup(chain, scopes_) if (chain := names.dotted(node)) else ():
            if target and isinstance(target.to, Definition) and not target.rest and is_table(target.to):
                return target.to
        return None

    def _declares_stage(self, decorator: ast.expr, scopes_: _Scopes) -> bool:
        """Whether a decorator is ``@stage(…)``: version and software are separate parts of the key."""
        chain = names.dotted(decorator.func) if isinstance(decorator, ast.Call) else None
        return chain is not None and self._lookup(chain, scopes_) == [Target("contract:stage")]

    def _annotation(self, node: ast.AST | None, scopes_: _Scopes) -> None:
        """Note the classes that an annotation names, with aliases resolved."""
        for chain in hints.types(node):
            for target in self._lookup(chain, scopes_):
                if target and isinstance(target.to, Definition):
                    self._type(target.to)

    def _type(self, definition: Definition) -> None:
        if definition in self._expanded:
            return
        self._expanded.add(definition)
        values = [(hints.aliased(binding), module) for binding, module in names.bound(definition)]
        if not values or any(value is None for value, _ in values):
            self.types.add(definition)
            return
        for value, module in values:
            _Speller(module, types=self.types, _expanded=self._expanded)._annotation(value, ())


def _inner(node: ast.AST, outer: _Scopes) -> _Scopes:
    """The scopes inside a function, class or comprehension; for any other node, the scopes around it."""
    if isinstance(node, Function):
        return (*outer, of_function(node))
    if isinstance(node, ast.ClassDef):
        return (*outer, of_class(node))
    if isinstance(node, Comprehension):
        return (*outer, of_comprehension(node))
    return outer


def _is_docstring(node: object) -> bool:
    """Whether a statement is nothing but a string, as below a ``def``, a ``class`` or an attribute."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
