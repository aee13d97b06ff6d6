"""Quality against cost: which points of the matrix are as good and cheaper. The figures, not yet their picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

from harness.artifact import Json
from harness.canonical import canonical
from harness.compare import stats
from harness.compare.match import in_point
from harness.compare.sample import Side, alone
from harness.items import ItemsReader
from harness.record import GateInfo, Run, Score
from harness.record_file import items_file
from harness.report import numbers
from harness.report.figures.drawing import Drawing
from harness.report.figures.scatter import Frontier, Spot, scatter

COSTS = {"evaluations": "network evaluations per image", "s_per_image": "seconds per image"}
"""Score fields that are a cost, the one that does not depend on the machine first, and how an axis names it."""
FLOOR = "floor"
"""The field that says what a metric's first field would be without any generator: real images against real."""
MOST = 6
"""Where nothing is gated, at most so many fields get a picture."""


def frontiers(run: Run, folder: Path) -> Iterator[Drawing]:
    """A drawing per gated field that varies with a cost over the matrix; where none does, of those that could be."""
    costs = [(m, f) for f in COSTS for m, info in run.metrics.items() if info.fields.get(f) is not None]
    if not costs:
        return
    items = items_file(folder)
    side = Side(run, ItemsReader(items) if items.exists() else None)
    fields = [
        (metric, field)
        for metric, info in run.metrics.items()
        for field, direction in info.fields.items()
        if direction is not None and COSTS.keys().isdisjoint(info.fields)
    ]
    gates = {(g.metric, g.field) for g in run.gates}
    for chosen, most in (([f for f in fields if f in gates], len(fields)), (fields, MOST)):
        made = [f for f in (_frontier(side, metric, field, costs[0]) for metric, field in chosen) if f]
        if made:
            yield from map(_drawing, made[:most])
            return


def _drawing(frontier: Frontier) -> Drawing:
    best = [" ".join(filter(None, (s.group, s.step))) for s in frontier.efficient]
    alt = (
        f"{frontier.name} ({frontier.better} is better) against {frontier.cost}, {len(frontier.spots)} points; "
        f"efficient: {numbers.listed(best, 8)}"
    )
    title = f"{frontier.name} against {frontier.cost}"
    draw = partial(scatter, frontier)
    return Drawing(f"cost-{frontier.name}.svg", "cost", title, alt, asdict(frontier), draw)


def _frontier(side: Side, metric: str, field: str, cost: tuple[str, str]) -> Frontier | None:
    """None where fewer than two points have both a value and a cost, or the cost is the same for all."""
    run = side.run
    costs = [s for s in run.scores if s.metric == cost[0] and s.complete]
    pairs = []
    for score in run.scores:
        if score.metric == metric and score.complete:
            fitting = [c for c in costs if in_point(score, c.point)]
            if len(fitting) == 1:
                pairs.append((score, _mean(fitting[0], cost[1])))
    if len({c for _, c in pairs}) < 2:
        return None
    axes = _Axes.of([score.point for score, _ in pairs])
    spots = tuple(_spot(side, score, field, paid, axes) for score, paid in pairs)
    at_reference = [spot.value for spot in spots if spot.is_reference]
    margin = _margin(run, metric, field, at_reference[0]) if at_reference else None
    direction = run.metrics[metric].fields[field] or {}
    floor = _floor(run, [score for score, _ in pairs], field)
    return Frontier(f"{metric}.{field}", direction["better"], COSTS[cost[1]], spots, floor, margin)


@dataclass(frozen=True)
class _Axes:
    """The axes that vary, by their part in the picture."""

    line: str | None
    """The last one that is a number throughout: steps, usually."""
    groups: tuple[str, ...]

    @classmethod
    def of(cls, points: Sequence[Mapping[str, Json]]) -> _Axes:
        varying = [axis for axis in points[0] if len({canonical(p[axis]) for p in points}) > 1]
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
    """Of the gate against the reference where there is one, else of the field's own gate."""

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
    """The mean floor of these scores, where their metric has one and it is about this field."""
    fields = run.metrics[scores[0].metric].fields
    first = next(iter(f for f, direction in fields.items() if direction))
    name = f"{field}_{FLOOR}" if f"{field}_{FLOOR}" in fields else FLOOR if field == first else ""
    if name not in fields:
        return None
    return fmean(_mean(s, name) for s in scores)
