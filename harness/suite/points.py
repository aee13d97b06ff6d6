"""The points of a suite: ``matrix``, ``exclude``, ``seeds``, ``reference``, ``--only``, more repeats, and ``gate``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count, islice, product
from typing import Any

from harness.errors import SuiteError, Where, nearest
from harness.stage import LARGEST, Stage
from harness.suite import located_yaml
from harness.suite.located_yaml import (
    Entry,
    List,
    Map,
    Problems,
    Scalar,
    Tree,
    closed,
    listed,
    mapping,
    shorten,
)
from harness.suite.model import Axis, Gate, Margin, Node, Suite
from harness.suite.nodes import Field, Fields
from harness.suite.typed import parse, shown

Point = Mapping[str, Any]
"""Axis → value; an axis that is left out may have any value."""

MOST_PERCENT = 1_000_000.0
"""Largest margin relative to the baseline: more is no limit, and its product with a baseline could overflow."""
_VALUE_NAME = re.compile(r"[\w.+-]+")
_BEFORE_AXIS = re.compile(r",(?=\s*[^\s.=,\[\]{}'\"]+\.[^\s.=,\[\]{}'\"]+\s*=)")


def matrix(entry: Entry | None, fields: Fields, problems: Problems) -> tuple[Axis, ...]:
    """The axes: any fields that are not seeds."""
    found = []
    for name, axis in _entries(entry, "matrix", problems):
        with problems.collect():
            field = fields.find(name, axis.key_where)
            if field.is_seed:
                raise SuiteError(axis.key_where, f"{name} is a seed; it is swept under 'seeds'")
            found.append(_axis(fields, name, axis))
    return tuple(found)


def seeds(entry: Entry | None, fields: Fields, problems: Problems) -> tuple[Axis, ...]:
    """The repeats: only seeds, lists of equal length, no repeat twice."""
    found: list[Axis] = []
    for name, axis in _entries(entry, "seeds", problems):
        with problems.collect():
            field = fields.find(name, axis.key_where)
            if not field.is_seed:
                raise SuiteError(axis.key_where, f"{name} is no seed; it is swept under 'matrix'")
            values = listed(axis.value, name)
            found.append(Axis(name, tuple(fields.bind(field, item) for item in values.items)))
            first = found[0]
            if len(found[-1].values) != len(first.values):
                counts = f"{len(found[-1].values)} seeds, and {first.field} {len(first.values)}"
                raise SuiteError(axis.key_where, f"{name} has {counts}: repeat i takes the i-th of each")
    repeats = list(zip(*(a.values for a in found), strict=False))
    if entry is not None and len(set(repeats)) < len(repeats):
        twice = next(r for r in repeats if repeats.count(r) > 1)
        shown = ", ".join(f"{a.field} = {v}" for a, v in zip(found, twice, strict=True))
        problems.add(entry.key_where, f"seeds: two repeats are the same ({shown})")
    return tuple(found)


def _axis(fields: Fields, name: str, entry: Entry) -> Axis:
    field = fields.find(name, entry.key_where)
    values: list[Any] = []
    names: list[str] = []
    for item in listed(entry.value, name).items:
        called, value = _named_value(fields, field, item)
        if value in values:
            raise SuiteError(item.where, f"{name}: {item} stands twice")
        values.append(value)
        names.append(called)
    texts = [_spelled(v) for v in values]
    for called in names:
        if called and (names.count(called) > 1 or called in texts):
            raise SuiteError(entry.key_where, f"{name}: two values are called {called!r}")
    return Axis(name, tuple(values), tuple(names) if any(names) else ())


def _named_value(fields: Fields, field: Field, item: Tree) -> tuple[str, Any]:
    """A value of an axis and its name: ``{tool-a: "path:…"}``, if no value of the field is written so."""
    if isinstance(item, Map) and len(item.entries) == 1:
        with suppress(SuiteError):
            return "", fields.bind(field, item)
        [(name, entry)] = item.entries.items()
        if not _VALUE_NAME.fullmatch(name):
            raise SuiteError(
                entry.key_where,
                f"{field.name}: {shorten(name)!r} is no name: letters, digits, '_', '-' and '.'",
            )
        return name, fields.bind(field, entry.value)
    return "", fields.bind(field, item)


def _entries(entry: Entry | None, section: str, problems: Problems) -> Iterator[tuple[str, Entry]]:
    if entry is not None:
        with problems.collect():
            yield from mapping(entry, section).entries.items()


class Points:
    """Reads points of a matrix, knowing the axes that ``--set`` has reduced to one value."""

    def __init__(
        self, axes: Sequence[Axis], collapsed: Mapping[str, Tree], fields: Fields, problems: Problems
    ) -> None:
        self.axes = {a.field: a for a in axes}
        self.fields = fields
        self.problems = problems
        self.fixed: dict[str, Any] = {}
        for name, tree in collapsed.items():
            with problems.collect():
                self.fixed[name] = fields.bind(fields.find(name, tree.where), tree)

    def point(self, tree: Map, what: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """A point, and its values for axes that ``--set`` has reduced; an invalid part is noted as a problem."""
        point: dict[str, Any] = {}
        gone: dict[str, Any] = {}
        closed(tree.entries, [*self.axes, *self.fixed], f"{what}: the matrix", self.problems)
        for name, entry in tree.entries.items():
            with self.problems.collect():
                if name in self.fixed:
                    gone[name] = self.fields.bind(self.fields.find(name, entry.key_where), entry.value)
                elif name in self.axes:
                    point[name] = self.value(name, entry.value, what)
        return point, gone

    def value(self, name: str, tree: Tree, what: str) -> Any:
        """A value of an axis.

        Raises:
            SuiteError: the axis does not have this value.
        """
        field, values = self.fields.find(name, tree.where), self.axes[name].values
        if isinstance(tree, Scalar) and tree.text and tree.text in self.axes[name].names:
            return values[self.axes[name].names.index(tree.text)]
        with suppress(SuiteError):  # of another type: the valid values are listed below
            value = self.fields.bind(field, tree)
            if value in values:
                return value
        axis = "the axis" if what == name else f"the axis {name}"
        having = ", ".join(self.axes[name].name_of(v) or _spelled(v) for v in values)
        raise SuiteError(tree.where, f"{what}: {tree} is no value of {axis} ({shorten(having, 200)})")

    def reference(self, entry: Entry | None, exclude: Sequence[Point]) -> dict[str, Any] | None:
        """The point that the others are compared with; empty without one, None if it is noted as a problem."""
        points: list[dict[str, Any]] = []
        if entry is None:
            return {}
        with self.problems.collect():
            point, _ = self.point(mapping(entry, "reference"), "reference")
            self.kept(point, exclude, entry.key_where, "reference")
            points = [point]
        return points[0] if points else None

    def kept(self, point: Point, exclude: Sequence[Point], where: Where, what: str) -> None:
        """Refuse a point that is excluded.

        Raises:
            SuiteError: the point is excluded.
        """
        if any(_covers(e, point) for e in exclude):
            raise SuiteError(where, f"{what}: this point is excluded")

    def exclude(self, entry: Entry | None) -> tuple[dict[str, Any], ...]:
        found: list[dict[str, Any]] = []
        if entry is None:
            return ()
        with self.problems.collect():
            if not isinstance(entry.value, List):
                raise SuiteError(entry.key_where, f"exclude: expected a list of points, not {entry.value}")
            for item in entry.value.items:
                if not isinstance(item, Map) or not item.entries:
                    raise SuiteError(item.where, f"exclude: expected axis: value, not {item}")
                point, gone = self.point(item, "exclude")
                if all(self.fixed.get(name) == value for name, value in gone.items()) and point:
                    found.append(point)
            if self._all_excluded(found):
                raise SuiteError(entry.key_where, "exclude: no point of the matrix is left")
        return tuple(found)

    def _all_excluded(self, exclude: Sequence[Point]) -> bool:
        named = [a for a in self.axes.values() if any(a.field in e for e in exclude)]
        if not exclude or self.problems.found:
            return False
        points = (
            dict(zip([a.field for a in named], p, strict=True)) for p in product(*(a.values for a in named))
        )
        return all(any(_covers(e, point) for e in exclude) for point in points)


def _covers(exclude: Point, point: Point) -> bool:
    return all(name in point and point[name] == value for name, value in exclude.items())


def parse_only(suite: Suite, only: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Parse ``--only axis=value[,value…][,axis=value…]`` to axis → the values to keep, in the axis's order.

    If the option is given several times, its values for one axis are combined.

    Raises:
        SuiteError: no such axis, or the axis has no such value.
    """
    problems = Problems()
    fields = Fields({name: node.stage for name, node in suite.nodes.items()})
    points = Points(suite.matrix, {}, fields, problems)
    kept: dict[str, list[Any]] = {}
    for number, constraint in enumerate(only, start=1):
        where = Where("--only", number)
        for part in _BEFORE_AXIS.split(constraint):
            name, equals, spelled = (p.strip() for p in part.partition("="))
            if not equals or not spelled:
                raise SuiteError(where, f"expected axis=value, not {shorten(part.strip())!r}")
            if name not in points.axes:
                raise SuiteError(
                    where, f"the matrix has no axis {shorten(name)!r}{nearest(name, points.axes)}"
                )
            values = located_yaml.parse(f"[{spelled}]", *where)
            if not isinstance(values, List):
                raise SuiteError(where, f"expected axis=value, not {shorten(part.strip())!r}")
            kept.setdefault(name, []).extend(points.value(name, v, name) for v in values.items)
    return {name: tuple(v for v in points.axes[name].values if v in values) for name, values in kept.items()}


def _spelled(value: Any) -> str:
    """A value of an axis as written in a suite: ``null``, ``0.3``, ``pndm``, or the stages of an input."""
    if value is None:
        return "null"
    return " and ".join(map(str, value)) if isinstance(value, tuple) else str(shown(value))


def continued(suite: Suite, repeats: int) -> Suite:
    """The suite with ``repeats`` repeats: its own first, in their order, or only the first of them.

    Each list of seeds is continued by the smallest numbers from 0 that are not in it: ``[0, 1, 2]`` by 3, 4, 5 …,
    ``[7, 1]`` by 0, 2, 3 … Repeat *i* takes the *i*-th value of each list, also for new repeats. Continuing a list in
    two steps gives the same as in one.
    """
    axes = (replace(a, values=tuple(islice(_continued(a.values), repeats))) for a in suite.seeds)
    return replace(suite, seeds=tuple(axes))


def _continued(values: Iterable[int]) -> Iterator[int]:
    own = list(values)
    taken = frozenset(own)
    yield from own
    yield from (n for n in count() if n not in taken)


_AGAINST = ("baseline", "reference")
_NUMBER = re.compile(r"[0-9.]+([eE][+-]?[0-9]+)?")


def gates(
    entry: Entry | None,
    nodes: Mapping[str, Node],
    points: Points,
    exclude: Sequence[Point],
    reference: Point | None,
    problems: Problems,
) -> tuple[Gate, ...]:
    """The gates of a suite; an invalid gate is noted as a problem and left out."""
    found: list[Gate] = []
    of_point: list[Gate] = []
    if entry is None:
        return ()
    with problems.collect():
        for name, one in mapping(entry, "gate").entries.items():
            with problems.collect():
                metric, field = _target(name, one, nodes)
                if isinstance(one.value, List):
                    listed(one.value, f"gate {name}")
                for tree in one.value.items if isinstance(one.value, List) else (one.value,):
                    gate, reduced = _gate(metric, field, tree, points, exclude, problems)
                    if gate.against_reference and reference == {}:
                        raise SuiteError(tree.where, f"gate {name}: the suite has no 'reference'")
                    same = [other for other in found if _same(gate, other)]
                    if same and not reduced and same[0] not in of_point:
                        raise SuiteError(one.key_where, f"gate {metric}.{field} stands twice")
                    if same and not reduced:
                        continue  # --set has left the one point that another gate names, which is the more specific
                    found = [other for other in found if other not in same]
                    _apart(gate, found)
                    found.append(gate)
                    of_point += [gate] if reduced else []
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
) -> tuple[Gate, bool]:
    """A gate, and whether ``--set`` has reduced an axis that it names."""
    name = f"gate {metric}.{field}"
    if not isinstance(tree, Map):
        return Gate(metric, field, _margin(tree, name), {}, False, tree.where), False
    closed(tree.entries, ("margin", "at", "against"), name, problems)
    if "margin" not in tree.entries:
        raise SuiteError(tree.where, f"{name} has no 'margin'")
    margin = _margin(tree.entries["margin"].value, name)
    against = _against(tree.entries.get("against"), name)
    at: dict[str, Any] = {}
    gone: dict[str, Any] = {}
    if "at" in tree.entries:
        place = tree.entries["at"]
        at, gone = points.point(mapping(place, f"{name}: at"), f"{name}: at")
        for axis, value in gone.items():
            if points.fixed.get(axis) != value:
                raise SuiteError(place.key_where, f"{name}: --set {axis} has left no such point")
        points.kept(at, exclude, place.key_where, name)
    return Gate(metric, field, margin, at, against == "reference", tree.where), bool(gone)


def _apart(gate: Gate, others: Sequence[Gate]) -> None:
    """Refuse two gates against the reference of which each would judge some of the same points.

    A gate at more axes is the more specific one and takes precedence; of two at different axes, none is.

    Raises:
        SuiteError: there is such a gate.
    """
    for other in others:
        same = (gate.metric, gate.field) == (other.metric, other.field)
        if not (same and gate.against_reference and other.against_reference):
            continue
        apart = any(name in other.at and other.at[name] != value for name, value in gate.at.items())
        nested = gate.at.keys() <= other.at.keys() or other.at.keys() <= gate.at.keys()
        if not apart and not nested:
            axes = " and ".join(f"{', '.join(g.at)}" for g in (other, gate))
            raise SuiteError(
                gate.where,
                f"gate {gate.metric}.{gate.field}: two gates against the reference, at {axes}, judge some of the same "
                "points; name all of these axes in one of them",
            )


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
    if value > (MOST_PERCENT if relative else LARGEST):
        most = f"{MOST_PERCENT:,.0f} %" if relative else f"{LARGEST:g}"
        raise SuiteError(tree.where, f"{name}: a margin is at most {most}, not {tree}")
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
