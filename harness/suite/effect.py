"""Parameters that do nothing beside the others: to set one is a mistake, and so it is to sweep such a seed.

Repeats of a seed that a stage does not use are one repeat, written down several times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from harness.errors import Where
from harness.suite.model import Node, Suite
from harness.suite.problems import Problems
from harness.text import Map


def check(suite: Suite, tree: Map, problems: Problems) -> None:
    """Every parameter that is set, and every seed that is swept, does something at each point of the matrix."""
    swept = {seed.field for seed in suite.seeds}
    for name, node in suite.nodes.items():
        told: set[str] = set()
        for parameters in settings(suite, name):
            for parameter, why in node.stage.idle(parameters).items():
                field = f"{name}.{parameter}"
                changed = parameters[parameter] != node.stage.parameters[parameter].default
                if parameter in told or not (field in swept or (changed and _is_set(suite, node, parameter))):
                    continue
                told.add(parameter)
                what = f"seeds: {field} is swept and" if field in swept else f"{field}: {parameter}"
                problems.add(
                    _place(tree, node, parameter, field in swept), f"{what} has no effect, for {why}"
                )


def settings(suite: Suite, name: str) -> Iterator[Mapping[str, Any]]:
    """The parameters of a node at each point of the matrix that is not left out."""
    node = suite.nodes[name]
    axes = [a for a in suite.matrix if a.node == node.name and a.name in node.stage.parameters]
    for values in product(*(a.values for a in axes)):
        at = {a.field: value for a, value in zip(axes, values, strict=True)}
        if not any(e.items() <= at.items() for e in suite.exclude):
            yield {**node.parameters, **{a.name: at[a.field] for a in axes}}


def _is_set(suite: Suite, node: Node, parameter: str) -> bool:
    """By the suite; seeds are set wherever they are swept, and are 0 for everybody else."""
    return parameter in node.given or any(a.field == f"{node.name}.{parameter}" for a in suite.matrix)


def _place(tree: Map, node: Node, parameter: str, is_swept: bool) -> Where:
    """Where a field stands: under ``seeds`` or ``matrix``, else at its stage."""
    for section in ("seeds", "matrix") if is_swept else ("matrix",):
        held = tree.entries[section].value if section in tree.entries else None
        if isinstance(held, Map) and f"{node.name}.{parameter}" in held.entries:
            return held.entries[f"{node.name}.{parameter}"].key_where
    for section in ("stages", "metrics"):
        held = tree.entries[section].value
        said = held.entries[node.name].value if isinstance(held, Map) and node.name in held.entries else None
        if isinstance(said, Map) and parameter in said.entries:
            return said.entries[parameter].key_where
    return node.where
