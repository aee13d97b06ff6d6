"""Tables from which one entry is chosen, read from source: ``NAME = Choices({"a": …})``."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache

from harness.engine.code_digest import hints, names
from harness.engine.code_digest.modules import Module, load
from harness.engine.code_digest.names import Definition, Target


def is_table(definition: Definition) -> bool:
    """Whether a definition is ``NAME = Choices({…})``."""
    return _call(definition) is not None


@cache
def entries(table: Definition) -> dict[str, ast.expr]:
    """The entries of a table of choices, by name.

    Raises:
        TypeError: the table is not written as one dictionary with a text for each key.
    """
    call = _call(table)
    written = call.args[0] if call and len(call.args) == 1 and not call.keywords else None
    found: dict[str, ast.expr] = {}
    if isinstance(written, ast.Dict):
        for key, value in zip(written.keys, written.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                found[key.value] = value
        if len(found) == len(written.keys):
            return found
    raise TypeError(
        f"{table.module}.{table.name}: Choices({{…}}) takes one dictionary with a text for each key"
    )


def named(annotation: ast.AST | None, module: Module) -> list[Definition]:
    """The tables that an annotation names, as in ``Annotated[…, TABLE]``."""
    return [extra for extra in hints.extras(annotation, module) if is_table(extra)]


@dataclass(frozen=True)
class Chosen:
    """The tables that the annotations of a stage function name."""

    parameters: dict[str, list[Definition]] = field(default_factory=dict)
    """Parameter → the tables from which its value chooses an entry."""
    inputs: dict[str, list[Definition]] = field(default_factory=dict)
    """Input → the tables from which the stage that made the input chose an entry; that entry is in that stage's key."""


def chosen_by(function: Definition) -> Chosen:
    """The tables that the parameters and inputs of a stage function choose from."""
    module = load(function.module)
    found = Chosen()
    for binding in module.bindings.get(function.name, []) if module else []:
        if module is None or not isinstance(binding.bound, ast.FunctionDef):
            continue
        arguments = binding.bound.args
        for place, listed in ((found.inputs, arguments.args), (found.parameters, arguments.kwonlyargs)):
            for a in listed:
                if own := named(a.annotation, module):
                    place[a.arg] = own
    return found


def _call(definition: Definition) -> ast.Call | None:
    module = load(definition.module)
    bindings = module.bindings.get(definition.name, []) if module else []
    if module is None or len(bindings) != 1 or bindings[0].guards or definition.entry is not None:
        return None
    value = getattr(bindings[0].bound, "value", None)
    if isinstance(value, ast.Call):
        # ``Choices`` in ``Choices[Value]``.
        called = value.func.value if isinstance(value.func, ast.Subscript) else value.func
        if dotted := names.dotted(called):
            return value if names.resolve(dotted, module) == Target("contract:Choices") else None
    return None
