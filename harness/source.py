"""The source digest: what of our own code a stage's result depends on.

Follows the names that a function uses to their definitions, through imports, within the function's own
package (and this one), and hashes those definitions without comments, docstrings, annotations and layout.
An edited helper therefore re-runs exactly the stages that reach it. Third-party code is not followed: its
versions are in the key by ``software=``. Names in annotations are followed but not hashed, because a stage
calls methods of what its annotations name. What is looked up at run time (``getattr``) is out of sight.
"""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

CONTRACT = frozenset({"harness.stage", "harness.artifact", "harness.errors"})
"""Modules that say how stages talk to the harness, not what they compute: never followed."""

Definition = tuple[str, str]
"""Module and top-level name."""


@cache
def digest(function: Callable[..., Any]) -> str:
    """sha256 over the definitions that ``function`` reaches, as 64 hex digits."""
    packages = {function.__module__.partition(".")[0], __name__.partition(".")[0]}
    reached: dict[Definition, str] = {}
    waiting: list[Definition] = [(function.__module__, function.__qualname__.partition(".")[0])]
    while waiting:
        definition = waiting.pop()
        if definition in reached:
            continue
        module = _module(definition[0])
        nodes = module.definitions[definition[1]] if module else []
        reached[definition] = json.dumps([_spell(n) for n in nodes])
        if module:
            for node in nodes:
                waiting.extend(_followed(node, module, packages))
    body = json.dumps(sorted((*k, v) for k, v in reached.items()))
    return sha256(f"harness/source/1:{body}".encode()).hexdigest()


@dataclass(frozen=True)
class _Module:
    name: str
    package: str
    definitions: dict[str, list[ast.AST]]
    imports: dict[str, tuple[str, str | None]]
    """Local name → module, or module and the name imported from it."""


@cache
def _module(name: str) -> _Module | None:
    """A module's top-level definitions, or None where there is no Python source (a built-in, an extension)."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    tree = ast.parse(Path(spec.origin).read_bytes())
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    definitions: dict[str, list[ast.AST]] = {}
    for node in _top_level(tree.body):
        for bound in _binds(node):
            definitions.setdefault(bound, []).append(node)
    return _Module(name, package, definitions, _imports(tree, package))


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements at module level, those under ``if`` and ``try`` included."""
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With):
            for part in ("body", "orelse", "finalbody"):
                yield from _top_level(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from _top_level(handler.body)
        else:
            yield node


def _binds(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    return [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]


def _imports(tree: ast.AST, package: str) -> dict[str, tuple[str, str | None]]:
    """Every import in the tree, wherever it stands: stages import inside their bodies."""
    found: dict[str, tuple[str, str | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0],
                    None,
                )
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                found[alias.asname or alias.name] = (base, alias.name)
    return found


def _followed(node: ast.AST, module: _Module, packages: set[str]) -> Iterator[Definition]:
    """The definitions of own packages that ``node`` names."""
    for chain in _chains(node):
        yield from _resolve(chain, module, packages)


def _chains(node: ast.AST) -> set[tuple[str, ...]]:
    """Dotted names as tuples: ``a.b.c`` gives ``("a", "b", "c")``."""
    found: set[tuple[str, ...]] = set()
    for n in ast.walk(node):
        names: list[str] = []
        inner: ast.AST = n
        while isinstance(inner, ast.Attribute):
            names.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            found.add((inner.id, *names))
    return found


def _resolve(chain: tuple[str, ...], module: _Module, packages: set[str]) -> Iterator[Definition]:
    name, *rest = chain
    if module.name in CONTRACT:
        return
    if name in module.definitions:
        yield module.name, name
        return
    if name not in module.imports:
        return
    base, attribute = module.imports[name]
    if base.partition(".")[0] not in packages or base in CONTRACT:
        return
    target = _module(base)
    here = (base, attribute)  # a package that imports its own submodule names it as if it re-exported it
    if (
        attribute is not None
        and target
        and (attribute in target.definitions or target.imports.get(attribute, here) != here)
    ):
        yield from _resolve((attribute, *rest), target, packages)
        return
    path = f"{base}.{attribute}" if attribute is not None else base
    while rest and _is_package(path) and (inner := _module(f"{path}.{rest[0]}")) is not None:
        path, rest = inner.name, rest[1:]
    submodule = None if path in CONTRACT else _module(path)
    if submodule and rest:
        yield from _resolve(tuple(rest), submodule, packages)


def _is_package(name: str) -> bool:
    """Looking for a submodule imports what it should be in, so only a package is asked."""
    module = _module(name)
    return module is not None and module.package == module.name


_UNHASHED = frozenset({"annotation", "returns", "type_comment", "type_params", "ctx"})


def _spell(node: object) -> Any:
    """A syntax tree as JSON, the same on every Python version: empty and absent fields are left out."""
    if isinstance(node, list):
        return [_spell(n) for n in node]
    if isinstance(node, ast.AST):
        fields = {}
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(value, list) and _is_docstring(value):
                value = value[1:]
            if name == "decorator_list":
                value = [d for d in value if not _declares_stage(d)]
            if name not in _UNHASHED and value is not None and value != []:
                fields[name] = _spell(value)
        return [type(node).__name__, fields]
    return node if isinstance(node, bool | int | str) else [type(node).__name__, repr(node)]


def _is_docstring(body: list[ast.stmt]) -> bool:
    first = body[0] if body else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )


def _declares_stage(decorator: ast.expr) -> bool:
    """``@stage(…)``: version and software stand in the key by themselves."""
    return (
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id == "stage"
    )
