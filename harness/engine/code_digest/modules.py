"""The names that a module binds, and those that a scope in it binds and so hides, read without running the module."""

from __future__ import annotations

import ast
import importlib.util
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path

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


CONTRACT = "__contract__"
"""A module that binds this name defines how stages talk to the harness, not what they compute. It is never followed."""


@dataclass(frozen=True)
class Import:
    """What an import statement binds a name to."""

    module: str
    name: str | None
    """Name inside the imported module; None for the module itself."""


@dataclass(frozen=True)
class Binding:
    """One statement at module level that binds or changes a name."""

    bound: ast.stmt | Import
    guards: tuple[ast.AST, ...] = ()
    """The conditions under which the statement runs."""


@dataclass(frozen=True)
class Module:
    """The top level of a module."""

    name: str
    file: Path
    content: str
    """sha256 of the file when it was read."""
    is_package: bool
    bindings: dict[str, list[Binding]]
    stars: tuple[str, ...]
    """Modules from which it imports all names (``*``)."""

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @property
    def is_contract(self) -> bool:
        return CONTRACT in self.bindings

    def alias(self, name: str) -> Import | None:
        """The import behind a name that is bound only by an import and unconditionally."""
        bindings = self.bindings[name]
        if all(b.bound == bindings[0].bound and not b.guards for b in bindings):
            bound = bindings[0].bound
            return bound if isinstance(bound, Import) else None
        return None


_asked: set[str] = set()


@contextmanager
def noting() -> Iterator[set[str]]:
    """Collect the names of all modules that are loaded in the block."""
    _asked.clear()
    yield _asked


def load(name: str) -> Module | None:
    """A module's top level, or None if there is no Python source (a built-in, an extension)."""
    _asked.add(name)
    return read(name)


def content_of(file: Path) -> str | None:
    """sha256 of a file, or None if the file is gone."""
    try:
        return sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None


@cache
def read(name: str) -> Module | None:
    """Cached implementation of ``load``."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    file = Path(spec.origin)
    data = file.read_bytes()
    is_package = spec.submodule_search_locations is not None
    module = Module(name, file, sha256(data).hexdigest(), is_package, {}, ())
    stars: list[str] = []
    for statement, guards in _top_level(ast.parse(data).body, ()):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for bound, target in imported(statement, module.package):
                if target.name == "*":
                    stars.append(target.module)
                else:
                    module.bindings.setdefault(bound, []).append(Binding(target, guards))
        else:
            for bound in _touched(statement):
                module.bindings.setdefault(bound, []).append(Binding(statement, guards))
    return Module(name, file, module.content, is_package, module.bindings, tuple(stars))


def imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Import]]:
    """The names that an import statement binds, each with what it is bound to."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield alias.asname or alias.name, Import(base, alias.name)
        elif alias.asname:
            yield alias.asname, Import(alias.name, None)
        else:
            top = alias.name.partition(".")[0]
            yield top, Import(top, None)


def _top_level(
    body: list[ast.stmt], guards: tuple[ast.AST, ...]
) -> Iterator[tuple[ast.stmt, tuple[ast.AST, ...]]]:
    """Statements at module level, including those under ``if``, ``try`` and ``with``, each with its conditions."""
    for node in body:
        if isinstance(node, ast.If):
            if _is_script(node.test):
                continue
            typing = _is_type_checking(node.test)
            other = ast.UnaryOp(ast.Not(), node.test)
            yield from _top_level(node.body, guards if typing else (*guards, node.test))
            yield from _top_level(node.orelse, guards if typing else (*guards, other))
        elif isinstance(node, ast.Try | ast.TryStar):
            yield from _top_level([*node.body, *node.orelse, *node.finalbody], guards)
            for handler in node.handlers:
                caught = ast.ExceptHandler(handler.type, None, [])
                yield from _top_level(handler.body, (*guards, caught))
        elif isinstance(node, ast.With):
            yield from _top_level(node.body, (*guards, *(item.context_expr for item in node.items)))
        else:
            yield node, guards


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test).rpartition(".")[2] == "TYPE_CHECKING"


def _is_script(test: ast.expr) -> bool:
    return any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(test))


def _touched(statement: ast.stmt) -> list[str]:
    """The names that a statement binds or may change: ``x = …``, ``x[…] = …``, ``x.append(…)``, ``f(x)``."""
    names = set(of_statement(statement).names)
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return sorted(names)
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            root: ast.expr = node
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            names.update([root.id] if isinstance(root, ast.Name) else [])
        elif isinstance(node, ast.Expr):
            names.update(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
    return sorted(names)
