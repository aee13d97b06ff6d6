"""Quality against cost and along a numeric axis: finds the efficient points of the matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.artifact import Json
from harness.compare import stats
from harness.compare.answers import COSTS
from harness.compare.match import in_point, value_at
from harness.compare.sample import Side, alone, lacks_timing
from harness.formats.strict_json import canonical
from harness.store.record import GateInfo, Run, Score

FLOOR = "floor"
"""Field with the value that a metric's first field has without a generator: real images against real images."""
MOST = 6
"""Maximum number of fields shown if nothing is gated."""


@dataclass(frozen=True)
class Spot:
    """One point of the matrix."""

    group: str
    """Its values on all axes except the one that lines follow; empty if there is no other."""
    step: str
    """Its value on the axis that lines follow; empty if no axis is numeric."""
    cost: float
    """Its cost, or its position on another axis along which the field is shown."""
    value: float
    """Mean over the repeats."""
    low: float
    high: float
    """Ends of the 90 % interval of the mean; both equal the mean if there are too few repeats."""
    is_reference: bool


@dataclass(frozen=True)
class Frontier:
    """A field of a metric against a cost, or along another numeric axis."""

    name: str
    """``metric.field``."""
    better: str
    """``"lower"`` or ``"higher"``."""
    cost: str
    spots: tuple[Spot, ...]
    floor: float | None
    margin: float | None
    """Tolerated worsening against the reference, in the field's unit; None if no gate defines one."""

    @property
    def efficient(self) -> list[Spot]:
        """Return the efficient spots: no other spot is at least as cheap and as good, and better in one of the two."""
        sign = 1 if self.better == "lower" else -1
        best, places = math.inf, set[tuple[float, float]]()
        for cost, value in sorted({(s.cost, sign * s.value) for s in self.spots}):
            if value < best:
                best = value
                places.add((cost, value))
        return [s for s in self.spots if (s.cost, sign * s.value) in places]


def against_cost(side: Side) -> list[Frontier]:
    """Return the gated fields that vary with a cost over the matrix; if none does, those that could be gated."""
    costs = [(m, f) for f in COSTS for m, info in side.run.metrics.items() if info.fields.get(f) is not None]
    if not costs:
        return []
    metric, field = costs[0]
    paid = [s for s in side.run.scores if s.metric == metric and s.complete and not lacks_timing([s], side)]
    axes = list(dict.fromkeys(axis for score in paid for axis in score.point))
    by_place: dict[str, list[float]] = {}
    for score in paid:
        by_place.setdefault(_place(score, axes), []).append(_mean(score, field))

    def cost(score: Score) -> float | None:
        fitting = by_place.get(_place(score, axes), [])
        return fitting[0] if len(fitting) == 1 else None

    return _gated_first(side, lambda _: cost, COSTS[field])


def along_axis(side: Side) -> list[Frontier]:
    """Return the same fields along the numeric axis of the matrix (usually steps) instead of a cost."""

    def place(axes: _Axes) -> Callable[[Score], float | None]:
        return lambda score: _number(score.point[axes.line]) if axes.line else None

    return _gated_first(side, place, "")


def _gated_first(
    side: Side, cost_along: Callable[[_Axes], Callable[[Score], float | None]], name: str
) -> list[Frontier]:
    run = side.run
    fields = [
        (metric, field)
        for metric, info in run.metrics.items()
        for field, direction in info.fields.items()
        if direction is not None and COSTS.keys().isdisjoint(info.fields)
    ]
    scores: dict[str, list[Score]] = {}
    for score in run.scores:
        if score.complete and not lacks_timing([score], side):
            scores.setdefault(score.metric, []).append(score)
    gates = {(g.metric, g.field) for g in run.gates}
    for chosen, most in (([f for f in fields if f in gates], len(fields)), (fields, MOST)):
        made: list[Frontier] = []
        for metric, field in chosen:
            there = scores.get(metric, [])
            axes = _Axes.of([s.point for s in there])
            costs = [cost_along(axes)(s) for s in there]
            found = _frontier(side, field, there, costs, axes, name) if len(made) < most else None
            made += [found] if found else []
        if made:
            return made
    return []


def _frontier(
    side: Side, field: str, scores: Sequence[Score], costs: Sequence[float | None], axes: _Axes, cost: str
) -> Frontier | None:
    """Make a frontier; None if fewer than two points have a value and a cost, or if all costs are equal."""
    paid = [(s, c) for s, c in zip(scores, costs, strict=True) if c is not None]
    if len({c for _, c in paid}) < 2:
        return None
    run, metric = side.run, scores[0].metric
    spots = tuple(_spot(side, score, field, c, axes) for score, c in paid)
    at_reference = [spot.value for spot in spots if spot.is_reference]
    margin = _margin(run, metric, field, at_reference[0]) if at_reference else None
    direction = run.metrics[metric].fields[field] or {}
    floor = _floor(run, [score for score, _ in paid], field)
    name = cost or (axes.line or "").rpartition(".")[2]
    return Frontier(f"{metric}.{field}", direction["better"], name, spots, floor, margin)


def _place(score: Score, axes: Sequence[str]) -> str:
    return canonical([value_at(score, axis) for axis in axes])


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class _Axes:
    """The axes that vary, by their role in the chart."""

    line: str | None
    """The last axis whose values are all numbers, usually steps."""
    groups: tuple[str, ...]

    @classmethod
    def of(cls, points: Sequence[Mapping[str, Json]]) -> _Axes:
        names = points[0] if points else ()
        varying = [axis for axis in names if len({canonical(p[axis]) for p in points}) > 1]
        numeric = [axis for axis in varying if all(type(p[axis]) in (int, float) for p in points)]
        line = numeric[-1] if numeric else None
        return cls(line, tuple(axis for axis in varying if axis != line))


def _spot(side: Side, score: Score, field: str, cost: float, axes: _Axes) -> Spot:
    value, spread = _mean(score, field), alone([score], field, side)
    low, high = (value, value) if spread is None else spread.interval()
    reference = side.run.reference
    return Spot(
        ", ".join(str(score.point[axis]) for axis in axes.groups),
        "" if axes.line is None else str(score.point[axes.line]),
        cost,
        value,
        low,
        high,
        bool(reference) and in_point(score, reference),
    )


def _mean(score: Score, field: str) -> float:
    return fmean(r.values[field] for r in score.repeats)


def _margin(run: Run, metric: str, field: str, reference: float) -> float | None:
    """Return the margin of the gate against the reference, if there is one, else of the field's own gate."""

    def rank(gate: GateInfo) -> tuple[bool, bool]:
        return (not gate.against_reference, bool(gate.at))

    gates = sorted((g for g in run.gates if (g.metric, g.field) == (metric, field)), key=rank)
    if not gates:
        return None
    if not gates[0].relative:
        return gates[0].margin
    direction = run.metrics[metric].fields[field] or {}
    return stats.margin_of(gates[0].margin, reference, direction.get("floor", 0.0))


def _floor(run: Run, scores: Sequence[Score], field: str) -> float | None:
    """Return the mean floor of these scores, if their metric has one for this field."""
    fields = run.metrics[scores[0].metric].fields
    first = next(iter(f for f, direction in fields.items() if direction))
    name = f"{field}_{FLOOR}" if f"{field}_{FLOOR}" in fields else FLOOR if field == first else ""
    if name not in fields:
        return None
    return fmean(_mean(s, name) for s in scores)
