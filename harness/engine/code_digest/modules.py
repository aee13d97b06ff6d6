"""The names that a module binds, read without running the module."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from harness.engine.code_digest.scopes import of_statement
from harness.engine.code_digest.touching import TopLevel

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
    stars: Mapping[str, frozenset[str]]
    """Modules from which it imports all names (``*``), in order → the names bound before that and not after it."""

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
def is_package(name: str) -> bool:
    """Whether there is such a package, also one without ``__init__.py``."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.submodule_search_locations is not None


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
    module = Module(name, file, sha256(data).hexdigest(), is_package, {}, {})
    stars: dict[str, frozenset[str]] = {}
    statements = list(_top_level(ast.parse(data).body, ()))
    top = TopLevel.of(statement for statement, _ in statements)
    for statement, guards in statements:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for bound, target in imported(statement, module.package):
                if target.name == "*":
                    stars.pop(target.module, None)
                    stars[target.module] = frozenset(module.bindings)
                else:
                    module.bindings.setdefault(bound, []).append(Binding(target, guards))
                    stars = _bound_since(stars, [bound])
        else:
            for bound in top.touched(statement):
                module.bindings.setdefault(bound, []).append(Binding(statement, guards))
            stars = _bound_since(stars, of_statement(statement).names)
    return Module(name, file, module.content, is_package, module.bindings, stars)


def _bound_since(stars: dict[str, frozenset[str]], names: Iterable[str]) -> dict[str, frozenset[str]]:
    """The star imports, without names that were bound again after them."""
    return {star: before.difference(names) for star, before in stars.items()}


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
    """Statements at module level, those under ``if``, ``try`` and ``with`` on their own, each with its conditions."""
    for node in body:
        if isinstance(node, ast.If):
            if _is_script(node.test):
                yield from _top_level(node.orelse, guards)
                continue
            yield ast.Assert(node.test), guards  # what a condition does is done whatever its value
            typing = _is_type_checking(node.test)
            other = ast.UnaryOp(ast.Not(), node.test)
            yield from _top_level(node.body, guards if typing else (*guards, node.test))
            yield from _top_level(node.orelse, guards if typing else (*guards, other))
        elif isinstance(node, ast.Try | ast.TryStar):
            yield from _top_level([*node.body, *node.orelse, *node.finalbody], guards)
            for handler in node.handlers:
                if handler.name:
                    alone = ast.ExceptHandler(handler.type, handler.name, [])
                    yield ast.Try(node.body, [alone], [], []), guards
                caught = ast.ExceptHandler(handler.type, None, [])
                yield from _top_level(handler.body, (*guards, caught))
        elif isinstance(node, ast.With):
            yield ast.With(node.items, []), guards
            yield from _top_level(node.body, (*guards, *(item.context_expr for item in node.items)))
        else:
            yield node, guards


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test).rpartition(".")[2] == "TYPE_CHECKING"


def _is_script(test: ast.expr) -> bool:
    """Whether a condition is ``__name__ == "__main__"``."""
    match test:
        case ast.Compare(left=ast.Name("__name__"), ops=[ast.Eq()], comparators=[ast.Constant("__main__")]):
            return True
    return False
