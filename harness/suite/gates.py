"""The section ``gate``: which score fields are judged, with which margin, at which point, and against what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import SuiteError, nearest
from harness.stage import Stage
from harness.suite.located_yaml import Entry, List, Map, Scalar, Tree, shorten
from harness.suite.model import Gate, Margin, Node
from harness.suite.points import Point, Points
from harness.suite.problems import Problems, closed, listed, mapping
from harness.suite.typed import parse

_AGAINST = ("baseline", "reference")
_NUMBER = re.compile(r"[0-9.]+([eE][+-]?[0-9]+)?")


def gates(
    entry: Entry | None,
    nodes: Mapping[str, Node],
    points: Points,
    exclude: Sequence[Point],
    reference: Point,
    problems: Problems,
) -> tuple[Gate, ...]:
    """The gates of a suite; an invalid gate is noted as a problem and left out."""
    found: list[Gate] = []
    if entry is None:
        return ()
    with problems.collect():
        for name, one in mapping(entry, "gate").entries.items():
            with problems.collect():
                metric, field = _target(name, one, nodes)
                if isinstance(one.value, List):
                    listed(one.value, f"gate {name}")
                for tree in one.value.items if isinstance(one.value, List) else (one.value,):
                    gate = _gate(metric, field, tree, points, exclude, problems)
                    if gate.against_reference and not reference:
                        raise SuiteError(tree.where, f"gate {name}: the suite has no 'reference'")
                    if any(_same(gate, other) for other in found):
                        raise SuiteError(one.key_where, f"gate {metric}.{field} stands twice")
                    found.append(gate)
    return tuple(found)


def _target(name: str, entry: Entry, nodes: Mapping[str, Node]) -> tuple[str, str]:
    """The metric and field that ``metric`` or ``metric.field`` names."""
    metric, dot, field = name.partition(".")
    metrics = {n: node.stage.scores for n, node in nodes.items() if node.stage.scores is not None}
    if metric not in metrics:
        raise SuiteError(entry.key_where, f"gate: no metric {shorten(metric)!r}{nearest(metric, metrics)}")
    scores = metrics[metric]
    stage: Stage = nodes[metric].stage
    gateable = [f for f, direction in scores.items() if direction is not None]
    if not gateable:
        raise SuiteError(entry.key_where, f"gate: no value of {stage.name} says which way is better")
    if not dot:
        return metric, gateable[0]
    if field not in gateable:
        problem = "does not say which way is better" if field in scores else "is no value of it"
        hint = nearest(field, gateable) or f"; it can be gated by {', '.join(gateable)}"
        raise SuiteError(entry.key_where, f"gate {metric} ({stage.name}): {shorten(field)!r} {problem}{hint}")
    return metric, field


def _gate(
    metric: str, field: str, tree: Tree, points: Points, exclude: Sequence[Point], problems: Problems
) -> Gate:
    name = f"gate {metric}.{field}"
    if not isinstance(tree, Map):
        return Gate(metric, field, _margin(tree, name), {}, False, tree.where)
    closed(tree.entries, ("margin", "at", "against"), name, problems)
    if "margin" not in tree.entries:
        raise SuiteError(tree.where, f"{name} has no 'margin'")
    margin = _margin(tree.entries["margin"].value, name)
    against = _against(tree.entries.get("against"), name)
    at: dict[str, Any] = {}
    if "at" in tree.entries:
        place = tree.entries["at"]
        at, gone = points.point(mapping(place, f"{name}: at"), f"{name}: at")
        for axis, value in gone.items():
            if points.fixed.get(axis) != value:
                raise SuiteError(place.key_where, f"{name}: --set {axis} has left no such point")
        points.kept(at, exclude, place.key_where, name)
    return Gate(metric, field, margin, at, against == "reference", tree.where)


def _margin(tree: Tree, name: str) -> Margin:
    """Reads a margin: ``0.002`` in the metric's unit, or ``2%`` of the baseline."""
    text = tree.text if isinstance(tree, Scalar) else ""
    relative = text.endswith("%")
    number = text.removesuffix("%")
    if not _NUMBER.fullmatch(number):
        raise SuiteError(
            tree.where, f"{name}: expected a margin of at least 0, such as 0.002 or 2%, not {tree}"
        )
    value: float = parse(float, Scalar(tree.where, number), name)
    return Margin(value / 100 if relative else value, relative)


def _against(entry: Entry | None, name: str) -> str:
    if entry is None:
        return "baseline"
    text = entry.value.text if isinstance(entry.value, Scalar) else ""
    if text not in _AGAINST:
        hint = nearest(text, _AGAINST)
        raise SuiteError(
            entry.value.where, f"{name}: against is {' or '.join(_AGAINST)}, not {entry.value}{hint}"
        )
    return text


def _same(a: Gate, b: Gate) -> bool:
    return (a.metric, a.field, a.at, a.against_reference) == (b.metric, b.field, b.at, b.against_reference)
