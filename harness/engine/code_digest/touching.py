"""The names that a statement at the top level of a module binds or may change."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.engine.code_digest.scopes import of_statement

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass
class TopLevel:
    """What a module binds itself, not by an import."""

    own: set[str] = field(default_factory=set)
    uses: dict[str, set[str]] = field(default_factory=dict)
    """Function or class → the names in it."""

    @classmethod
    def of(cls, statements: Iterable[ast.stmt]) -> TopLevel:
        """The top level of a module with these statements."""
        found = cls()
        for statement in statements:
            found.own |= of_statement(statement).names
            if isinstance(statement, _Definition):
                found.uses.setdefault(statement.name, set()).update(_names(statement))
        return found

    def touched(self, statement: ast.stmt) -> list[str]:
        """The names that a statement binds or may change: ``x = …``, ``x[…] = …``, ``f(x)``, ``n = x.pop()``."""
        changed = {name for node in _run(statement) for name in self._changed(node)}
        if isinstance(statement, _Definition):
            changed &= self.own
        return sorted(of_statement(statement).names | changed)

    def _changed(self, node: ast.AST) -> set[str]:
        match node:
            case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                root: ast.expr = node
                while isinstance(root, ast.Attribute | ast.Subscript):
                    root = root.value
                return {root.id} if isinstance(root, ast.Name) else set()
            case ast.Expr():
                calls = (n for n in ast.walk(node) if isinstance(n, ast.Call))
                return _names(node).union(*(self._used(_names(call.func)) for call in calls))
            case ast.Call(func=ast.Attribute(value=owner)):
                return _names(owner) & self.own
        return set()

    def _used(self, called: set[str]) -> set[str]:
        """The module's own names that these functions use, and those that these use."""
        found: set[str] = set()
        waiting = called & self.uses.keys()
        while waiting:
            new = (self.uses[waiting.pop()] & self.own) - found
            found |= new
            waiting |= new & self.uses.keys()
        return found


def _run(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes that run when the module is loaded: of a function the decorators, as calls, and the defaults."""
    parts: list[ast.AST | None] = [statement]
    if isinstance(statement, _Definition):
        parts = [ast.Call(decorator, [], []) for decorator in statement.decorator_list]
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        parts += [*statement.args.defaults, *statement.args.kw_defaults]
    elif isinstance(statement, ast.ClassDef):
        parts += [*statement.bases, *statement.keywords]
        for inner in statement.body:
            yield from _run(inner)
    yield from (node for part in parts if part for node in ast.walk(part))


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
