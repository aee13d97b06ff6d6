"""The names that a scope binds and so hides: a function, a class, a comprehension, a statement at module level."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass
class Scope:
    """The names that one scope binds."""

    node: ast.AST | None = None
    """The function or the class."""
    names: set[str] = field(default_factory=set)
    """Names bound by anything but an import."""
    imports: dict[str, list[ast.Import | ast.ImportFrom]] = field(default_factory=dict)
    """Name → the import statements that bind it, each with one alias."""
    module_names: set[str] = field(default_factory=set)
    """Names declared ``global``."""
    used: frozenset[str] = frozenset()
    """Names that are read in the scope or in a scope inside it; empty if the scope imports nothing."""
    annotations: dict[str, ast.expr] = field(default_factory=dict)
    """Annotations of parameters and annotated variables."""
    loops: dict[str, ast.expr] = field(default_factory=dict)
    """``for name in …``: what the name iterates over."""
    values: dict[str, ast.expr] = field(default_factory=dict)
    """``name = …``: the assigned value."""
    times: Counter[str] = field(default_factory=Counter)
    """How often each name is bound."""

    @property
    def is_class(self) -> bool:
        """Functions inside a class do not see its names."""
        return isinstance(self.node, ast.ClassDef)

    def bind(self, name: str) -> None:
        """Note one more statement that binds a name."""
        self.names.add(name)
        self.times[name] += 1


def of_function(function: Function) -> Scope:
    """The parameters of a function and what its body binds."""
    scope = Scope(function)
    arguments = function.args
    for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        scope.bind(a.arg)
        if a.annotation is not None:
            scope.annotations[a.arg] = a.annotation
    for rest in (arguments.vararg, arguments.kwarg):
        if rest is not None:
            scope.bind(rest.arg)
    return _collected(function.body if isinstance(function.body, list) else [function.body], scope)


def of_class(node: ast.ClassDef) -> Scope:
    """What the body of a class binds."""
    return _collected(node.body, Scope(node))


def of_comprehension(node: Comprehension) -> Scope:
    """The targets of a comprehension."""
    scope = _collected([generator.target for generator in node.generators], Scope())
    first = node.generators[0]
    if isinstance(first.target, ast.Name):
        scope.loops[first.target.id] = first.iter
    return scope


def of_statement(node: ast.stmt) -> Scope:
    """What a statement at module level binds."""
    return _collected([node], Scope())


def _collected(body: Iterable[ast.AST], scope: Scope) -> Scope:
    collector = _Collector(scope)
    statements = list(body)
    for node in statements:
        collector.visit(node)
    if scope.imports:
        read = (n for node in statements for n in ast.walk(node) if isinstance(n, ast.Name))
        scope.used = frozenset(n.id for n in read if isinstance(n.ctx, ast.Load))
    outside = scope.module_names | collector.enclosing
    scope.names -= outside
    for name in outside & scope.imports.keys():
        del scope.imports[name]
    return scope


class _Collector(ast.NodeVisitor):
    """Walks one scope and stops where another scope begins."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.enclosing: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.scope.bind(node.id)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.scope.annotations[node.target.id] = node.annotation
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.scope.values[target.id] = node.value
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        if isinstance(node.target, ast.Name):
            self.scope.loops[node.target.id] = node.iter
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            self.scope.imports.setdefault(bound, []).append(ast.Import([alias]))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            one = ast.ImportFrom(node.module, [alias], node.level)
            self.scope.imports.setdefault(alias.asname or alias.name, []).append(one)

    def visit_Global(self, node: ast.Global) -> None:
        self.scope.module_names.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.enclosing.update(node.names)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._named(node.name, node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self._named(node.name, node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self._named(node.name, node)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._named(node.rest, node)

    def _named(self, name: str | None, node: ast.AST) -> None:
        if name is not None:
            self.scope.bind(name)
        self.generic_visit(node)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.scope.bind(node.name)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Nonlocal):
                self.scope.times.update(inner.names)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _definition  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """A lambda binds nothing in the scope around it."""

    def _comprehension(self, node: Comprehension) -> None:
        """The targets of a comprehension are local to it; ``:=`` inside it binds in the scope around it."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                self.visit(inner.target)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815
