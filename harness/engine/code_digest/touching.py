"""The names that a statement at the top level of a module binds or may change.

A change counts whether it is made in place (``x[…] = …``, ``x.append(…)``), by another name for the same thing
(``y = x``, ``for y in (x, …)``), or by a function of the module that the statement calls or decorates with.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.engine.code_digest.scopes import of_statement

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = _Function | ast.ClassDef

_CHANGING = frozenset({"add", "append", "appendleft", "clear", "discard", "extend", "insert"}) | frozenset(
    {"pop", "popitem", "remove", "setdefault", "update"}
)
"""Methods that change what they are of, and may be passed on: ``map(x.append, …)``."""

_ANYTHING = frozenset({"globals", "locals", "vars", "exec", "eval"})
"""Functions through which a statement may change any name of its module."""


@dataclass
class TopLevel:
    """What a module binds itself, not by an import."""

    own: set[str] = field(default_factory=set)
    uses: dict[str, set[str]] = field(default_factory=dict)
    """Function or class → the names in it."""
    changes: dict[str, set[str]] = field(default_factory=dict)
    """Function or class → the own names that its code may change, and its own parameters."""
    parameters: dict[str, set[str]] = field(default_factory=dict)
    """Function or class → the parameters in it."""
    aliases: dict[str, set[str]] = field(default_factory=dict)
    """Name → names that may be the same thing, a part of it, or what made it."""
    listing: set[str] = field(default_factory=set)
    """The metaclasses and the classes with ``__init_subclass__``; all if the code asks for ``__subclasses__``."""
    bases: dict[str, set[str]] = field(default_factory=dict)
    """Class → the names in its bases and in its metaclass."""

    @classmethod
    def of(cls, statements: Iterable[ast.stmt]) -> TopLevel:
        """The top level of a module with these statements."""
        found = cls()
        statements = list(statements)
        for statement in statements:
            found.own |= of_statement(statement).names
            for name, code in _code(statement):
                found.uses.setdefault(name, set()).update(_names(code))
        asked = any(_has(s, "__subclasses__") for s in statements)
        classes = [s for s in statements if isinstance(s, ast.ClassDef)]
        metaclasses = {
            n for c in classes for k in c.keywords if k.arg == "metaclass" for n in _names(k.value)
        }
        found.listing = {c.name for c in classes if asked or _has(c, "__init_subclass__")} | metaclasses
        found.bases = {c.name: {n for b in (*c.bases, *c.keywords) for n in _names(b)} for c in classes}
        for statement in statements:
            if not isinstance(statement, _Definition):
                for one, others in _aliases(statement):
                    found.aliases.setdefault(one, set()).update(others)
        for statement in statements:
            for name, code in _code(statement):
                parameters = {n.arg for n in ast.walk(code) if isinstance(n, ast.arg)}
                changed = {c for node in ast.walk(code) for c in found._changed_inside(node, parameters)}
                declared = {n for g in ast.walk(code) if isinstance(g, ast.Global) for n in g.names}
                found.changes.setdefault(name, set()).update(changed | declared)
                found.parameters.setdefault(name, set()).update(parameters)
        return found

    def touched(self, statement: ast.stmt) -> list[str]:
        """The names that a statement binds or may change: ``x = …``, ``x[…] = …``, ``f(x)``, ``n = x.pop()``."""
        changed = {name for node in _run(statement) for name in self._changed(node)}
        changed.update(*(self._by_calling(node) for node in _run(statement) if isinstance(node, ast.Call)))
        changed |= self._behind(changed) - self.uses.keys()
        if isinstance(statement, ast.ClassDef):
            above = self._above(statement.name) & self.listing
            changed.update(above, *(self.changes[base] for base in above))
        if isinstance(statement, _Definition):
            called = (d.func if isinstance(d, ast.Call) else d for d in statement.decorator_list)
            decorators = {n for decorator in called for n in _names(decorator)}
            changed |= (decorators | self._behind(decorators)) - self.uses.keys()
        if isinstance(statement, _Definition):
            changed &= self.own
            changed.update(*(n.names for n in ast.walk(statement) if isinstance(n, ast.Global)))
        return sorted(of_statement(statement).names | changed)

    def _behind(self, given: set[str]) -> set[str]:
        """The names that these may stand for."""
        found: set[str] = set()
        waiting = set(given)
        while waiting:
            new = self.aliases.get(waiting.pop(), set()) - found
            found |= new
            waiting |= new
        return found

    def _above(self, name: str) -> set[str]:
        """The module's own classes that a class derives from, and their metaclasses."""
        found: set[str] = set()
        waiting = {name}
        while waiting:
            new = (self.bases.get(waiting.pop(), set()) & self.uses.keys()) - found
            found |= new
            waiting |= new
        return found

    def _changed(self, node: ast.AST) -> set[str]:
        """What a node may change where it runs at module level; a statement may change all that it names."""
        known = self.own | self.aliases.keys()
        match node:
            case ast.Expr():
                calls = (n for n in ast.walk(node) if isinstance(n, ast.Call))
                return _names(node).union(*(self._used(_names(call.func)) for call in calls))
            case ast.Call(func=ast.Attribute(value=owner)):
                return _names(owner) & known
        return self._changed_anywhere(node, known)

    def _changed_inside(self, node: ast.AST, parameters: set[str]) -> set[str]:
        """What a node may change in a function: less, since functions mostly read the names of their module."""
        known = self.own | parameters
        match node:
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner))):
                return _names(owner) & known
            case ast.Expr(value=ast.Call(func=ast.Name(name), args=given)) if name not in self.uses:
                return {n for a in given for n in _names(a)} & known
        return self._changed_anywhere(node, known)

    def _changed_anywhere(self, node: ast.AST, known: set[str]) -> set[str]:
        match node:
            case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                root: ast.expr = node
                while isinstance(root, ast.Attribute | ast.Subscript):
                    root = root.value
                return {root.id} if isinstance(root, ast.Name) else set()
            case ast.AugAssign(target=ast.Name(name)):
                return {name} & known
            case ast.Call(func=ast.Name("setattr" | "delattr"), args=[changed, *_]):
                return _names(changed) & known
            case ast.Call(func=ast.Name(name)) if name in _ANYTHING:
                return set(self.own)
            case ast.Attribute(value=ast.Name("sys"), attr="modules"):
                return set(self.own)
            case ast.Attribute(value=owner, attr=attribute) if attribute in _CHANGING:
                return _names(owner) & known
        return set()

    def _used(self, called: set[str]) -> set[str]:
        """The module's own names that these functions use, and those that these use."""
        found: set[str] = set()
        waiting = (called | self._behind(called)) & self.uses.keys()
        while waiting:
            new = (self.uses[waiting.pop()] & self.own) - found
            found |= new
            waiting |= new & self.uses.keys()
        return found

    def _by_calling(self, call: ast.Call) -> set[str]:
        """The own names that a call may change in the module's own functions: what these change, and its arguments."""
        named = _names(call.func)
        called = (named | self._behind(named)) & self.changes.keys()
        reached = called | (self._used(called) & self.changes.keys())
        changed = {name for function in reached for name in self.changes[function]}
        given = {n for a in (*call.args, *call.keywords) for n in _names(a)}
        if any(self.changes[function] & self.parameters[function] for function in called):
            changed |= given
        return changed & self.own


def _code(statement: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """The functions and classes that a statement defines, a lambda with a name among them."""
    if isinstance(statement, _Definition):
        yield statement.name, statement
    elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
        yield from ((t.id, statement.value) for t in statement.targets if isinstance(t, ast.Name))


def _aliases(statement: ast.stmt) -> Iterator[tuple[str, set[str]]]:
    """Pairs of a name and the names in what it is bound to."""
    for node in ast.walk(statement):
        match node:
            case ast.Assign(targets=targets, value=value):
                bound = {n for t in targets for n in _names(t)}
                yield from ((name, (bound - {name}) | _names(value)) for name in bound)
            case ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value):
                yield name, _names(value)
            case ast.NamedExpr(target=ast.Name(name), value=value):
                yield name, _names(value)
            case ast.For(target=target, iter=source) | ast.comprehension(target=target, iter=source):
                yield from ((name, _names(source)) for name in _names(target))
            case ast.withitem(context_expr=source, optional_vars=ast.expr() as target):
                yield from ((name, _names(source)) for name in _names(target))
            case ast.Match(subject=source, cases=cases):
                patterns = (n for case in cases for n in ast.walk(case.pattern))
                captured = (n for n in patterns if isinstance(n, ast.MatchAs | ast.MatchStar) and n.name)
                yield from ((str(n.name), _names(source)) for n in captured)


def _run(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes that run when the module is loaded: of a function the decorators, as calls, and the defaults."""
    parts: list[ast.AST | None] = [statement]
    if isinstance(statement, _Definition):
        parts = [ast.Call(decorator, [], []) for decorator in statement.decorator_list]
    if isinstance(statement, _Function):
        parts += [*statement.args.defaults, *statement.args.kw_defaults]
    elif isinstance(statement, ast.ClassDef):
        parts += [*statement.bases, *statement.keywords]
        for inner in statement.body:
            yield from _run(inner)
    yield from (node for part in parts if part for node in ast.walk(part))


def _has(node: ast.AST, name: str) -> bool:
    """Whether code has an attribute or a function of this name."""
    return any(getattr(n, "attr", None) == name or getattr(n, "name", None) == name for n in ast.walk(node))


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
