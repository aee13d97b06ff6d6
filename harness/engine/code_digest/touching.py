"""The names that a statement at the top level of a module binds or may change."""

from __future__ import annotations

import ast

from harness.engine.code_digest.scopes import of_statement


def touched(statement: ast.stmt) -> list[str]:
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
