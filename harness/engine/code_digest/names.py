"""What a dotted name refers to: a definition in an own package, the contract, a third-party object or a built-in."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from harness.engine.code_digest.modules import Binding, Import, Module, is_package, load
from harness.engine.code_digest.modules import imported as brought
from harness.engine.code_digest.scopes import Scope

Chain = tuple[str, ...]
"""``a.b.c`` as ``("a", "b", "c")``."""

WHOLE = "*"
"""Used in place of a name: everything that a module binds, if the module itself is used as a value."""


class Definition(NamedTuple):
    """What a module binds to a name, or one entry of a table in the module."""

    module: str
    name: str
    entry: str | None = None


def bound(definition: Definition) -> list[tuple[Binding, Module]]:
    """The statements that bind the name of a definition, each with its module.

    Functions and classes of another name, which may change it when they are defined, are left out.
    """
    module = load(definition.module)
    if module is None:
        return []
    others = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [
        (binding, module)
        for binding in module.bindings.get(definition.name, ())
        if not isinstance(binding.bound, others) or binding.bound.name == definition.name
    ]


@dataclass(frozen=True)
class Target:
    """What a name refers to, and the attributes that follow it."""

    to: Definition | str
    """A definition, or the identifier of another object: ``torch.nn.functional.relu``, ``contract:Items``, ``len``."""
    rest: Chain = ()


def dotted(node: ast.AST) -> Chain | None:
    """A dotted name, or None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return (node.id, *parts) if isinstance(node, ast.Name) else None


def within(chain: Chain, scopes: Sequence[Scope], module: Module) -> list[Target | None]:
    """What a name may refer to inside functions and classes; None if it is local to one of them."""
    name = chain[0]
    scope = binding_scope(name, scopes)
    if scope is None:
        return [resolve(chain, module)]
    bound: list[Target | None] = [None] if name in scope.names else []
    statements = scope.imports.get(name, ())
    found = dict.fromkeys(t for s in statements for _, t in brought(s, module.package))
    return bound + [imported(t, chain[1:], module) for t in found]


def binding_scope(name: str, scopes: Sequence[Scope]) -> Scope | None:
    """The innermost scope that binds a name; None if the module binds it. Functions do not see class names."""
    for depth, scope in enumerate(reversed(scopes)):
        if scope.is_class and depth:
            continue
        if name in scope.module_names:
            return None
        if name in scope.names or name in scope.imports:
            return scope
    return None


def resolve(chain: Chain, module: Module) -> Target:
    """Resolve a name that is bound at module level, or a built-in."""
    return _in_module(chain, module, frozenset()) or Target(chain[0], chain[1:])


def imported(target: Import, rest: Chain, by: Module) -> Target:
    """Resolve what an import in the module ``by`` binds."""
    return _imported(target, rest, by, frozenset())


def _in_module(chain: Chain, module: Module, seen: frozenset[Import]) -> Target | None:
    return _bound_in(chain, module, seen) or _brought_in(chain, module, seen)


def _bound_in(chain: Chain, module: Module, seen: frozenset[Import]) -> Target | None:
    """What a name is bound to in a module, or in an own one whose names it brings in; the last of them wins."""
    name, *rest = chain
    if module.is_contract and name in module.bindings:
        return Target(f"contract:{'.'.join(chain)}")
    for star, replaced in [*module.stars.items()][::-1]:
        is_later = name in replaced and not name.startswith("_")
        if is_later or name not in module.bindings:
            everything = Import(star, "*")
            other = load(star) if _is_own(star, module) and everything not in seen else None
            if other and (found := _bound_in(chain, other, seen | {everything})):
                return found
    if name not in module.bindings:
        return None
    target = module.alias(name)
    if target is None or target in seen:
        return Target(Definition(module.name, name), tuple(rest))
    return _imported(target, tuple(rest), module, seen | {target})


def _brought_in(chain: Chain, module: Module, seen: frozenset[Import]) -> Target | None:
    """The name as one of those that a third-party module may bring in, here or in an own module."""
    foreign = [star for star in module.stars if not _is_own(star, module)]
    if foreign and not hasattr(builtins, chain[0]):
        return Target(".".join((*foreign, "*", *chain)))
    for star in module.stars:
        everything = Import(star, "*")
        other = load(star) if _is_own(star, module) and everything not in seen else None
        if other and (found := _brought_in(chain, other, seen | {everything})):
            return found
    return None


def _imported(target: Import, rest: Chain, by: Module, seen: frozenset[Import]) -> Target:
    if not _is_own(target.module, by):
        return Target(".".join((target.module, *([target.name] if target.name else ()), *rest)))
    if target.name is None:
        return _submodule(target.module, rest, seen)
    module = load(target.module)
    # A package that imports its own submodule refers to it as if it defined it.
    defined = module is not None and (
        target.name not in module.bindings or module.alias(target.name) != target
    )
    if module is not None and defined and (found := _in_module((target.name, *rest), module, seen)):
        return found
    return _submodule(f"{target.module}.{target.name}", rest, seen)


def _submodule(path: str, rest: Chain, seen: frozenset[Import]) -> Target:
    """Resolve what follows a module's name: ``package.module.function``."""
    module = load(path)
    if module is None:
        if rest and is_package(path):  # one without ``__init__.py``
            return _submodule(f"{path}.{rest[0]}", rest[1:], seen)
        return Target(".".join((path, *rest)))
    if not rest:
        return Target("contract:") if module.is_contract else Target(Definition(path, WHOLE))
    below = f"{path}.{rest[0]}"
    own = Import(path, rest[0])
    if rest[0] in module.bindings and module.alias(rest[0]) != own:
        found = _in_module(rest, module, seen)
    elif module.is_package and (load(below) is not None or is_package(below)):
        found = _submodule(below, rest[1:], seen)
    else:
        found = _in_module(rest, module, seen)
    return found or Target(Definition(path, WHOLE), rest)


@cache
def _own_tops(top: str) -> frozenset[str]:
    return frozenset({top, __name__.partition(".")[0]})


def _is_own(module: str, by: Module) -> bool:
    return module.partition(".")[0] in _own_tops(by.top)
