"""Quality against cost, with the efficient points marked, and each metric along the numeric axis of the matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from harness.compare import wording
from harness.report.finding_text import confidence
from harness.report.frontier import Frontier, Spot, against_cost, along_axis
from harness.report.html.context import Context
from harness.report.html.parts import Cell, Chart, Section, Table
from harness.report.html.svg import (
    INK,
    QUIET,
    Plot,
    colour,
    drawing,
    element,
    legend,
    percent,
    scale,
    series_mark,
)

BESIDE = 0.011
"""Distance of two marks at the same cost, as a share of the width: about the width of a mark."""
_SPAN = 0.066
"""Largest distance from the first to the last mark at the same cost, as a share of the width."""
_OF_GAP = 0.8
"""Largest such distance, as a share of the way to the nearest other cost."""
_HALF_MARK = 7.0
"""Pixels above and below the centre of a mark that it takes up."""


def shifts(plot: Plot, spots: Sequence[Spot], groups: Sequence[str]) -> dict[Spot, float]:
    """Return how far each spot is shifted sideways, as a share of the width; 0 unless spots of one cost overlap.

    Args:
        plot: plot in which they are drawn.
        spots: spots to draw.
        groups: order of the groups from left to right.
    """
    by_cost: dict[float, list[Spot]] = {}
    for spot in spots:
        by_cost.setdefault(spot.cost, []).append(spot)
    places = [plot.share(cost) for cost in sorted(by_cost)]
    gaps = [1.0, *(after - before for before, after in pairwise(places)), 1.0]
    order = {group: i for i, group in enumerate(groups)}
    found = dict.fromkeys(spots, 0.0)
    for cost, (before, after) in zip(sorted(by_cost), pairwise(gaps), strict=True):
        for bunch in _bunches(plot, by_cost[cost]):
            steps = len(bunch) - 1
            span = min(BESIDE * steps, _SPAN, _OF_GAP * min(before, after))
            for i, spot in enumerate(sorted(bunch, key=lambda s: order[s.group])):
                found[spot] = span * (i / steps - 0.5) if steps else 0.0
    return found


def _bunches(plot: Plot, spots: Sequence[Spot]) -> list[list[Spot]]:
    """Group the spots of one cost whose intervals overlap, from the bottom up."""
    bunches: list[list[Spot]] = []
    top = 0.0
    for spot in sorted(set(spots), key=lambda s: min(s.low, s.value)):
        low = plot.down(min(spot.low, spot.value)) + _HALF_MARK
        high = plot.down(max(spot.high, spot.value)) - _HALF_MARK
        if bunches and low > top:  # pixels count from the top
            bunches[-1].append(spot)
            top = min(top, high)
        else:
            bunches.append([spot])
            top = high
    return bunches


MOST_POINTS = 150
"""Maximum number of spots drawn; efficient ones and the reference have priority."""
IN_TABLE = 100
GROUPS = 12
"""Maximum number of groups in the legend and of groups with a line."""
NAMED = 8
"""Maximum number of efficient points that are named."""
TICKS = 8
"""An axis with at most this many different values has a tick at each."""
LOG_FROM = 6.0
"""A cost that spans at least this factor is drawn on a logarithmic axis."""


def quality_cost(frontier: Frontier) -> Chart:
    """Draw a field against its cost: a mark per point of the matrix, efficient ones filled and joined."""
    best = frontier.efficient
    shown = _chosen(frontier, best)
    plot, groups = _plot(frontier, shown), _groups(frontier)
    aside, efficient = shifts(plot, shown, groups), set(best)
    joined = _line(plot, [s for s in shown if s in efficient], aside, QUIET, 1.5)
    marks = [m for s in shown for m in _spot(plot, s, groups, aside[s], filled=s in efficient)]
    names = wording.listed(list(dict.fromkeys(map(_name, sorted(best, key=_price)))), NAMED)
    caption = (
        f"Each mark is a point of the matrix{_intervals(frontier)}. Filled and joined: efficient, no other is as cheap "
        f"and as good ({names}).{_aside(frontier, aside)}{_levels(frontier)}{_cut(frontier, shown)}"
    )
    return _chart(
        f"{frontier.name} against {frontier.cost}", caption, frontier, plot, [*joined, *marks], best, groups
    )


def along(frontier: Frontier) -> Chart:
    """Draw a field along a numeric axis, with a line per group."""
    paths = _leading(frontier)
    shown = [s for path in paths.values() for s in path]
    plot, groups = _plot(frontier, shown), list(paths)
    aside = shifts(plot, shown, groups)
    marks: list[Markup] = []
    for i, path in enumerate(paths.values()):
        marks += _line(plot, path, aside, colour(i), 1.8)
        marks += [m for s in path for m in _spot(plot, s, groups, aside[s], filled=True)]
    lines = "One line" if len(groups) == 1 else f"A line for each of {len(groups):,}"
    of = len(_groups(frontier))
    lines += f" of {of:,}, those with the best points" if len(groups) < of else ""
    caption = (
        f"{lines}{_intervals(frontier)}.{_aside(frontier, aside)}{_levels(frontier)}{_cut(frontier, shown)}"
    )
    return _chart(f"{frontier.name} along {frontier.cost}", caption, frontier, plot, marks, [], groups)


def _leading(frontier: Frontier) -> dict[str, list[Spot]]:
    """Return the spots of the groups that have a line, in the order of the axis.

    If there are too many groups, the reference's group and those with the best spots are kept. Long lines are thinned.
    """
    sign = 1 if frontier.better == "lower" else -1
    by_group: dict[str, list[Spot]] = {}
    for spot in frontier.spots:
        by_group.setdefault(spot.group, []).append(spot)
    ranked = sorted(
        by_group,
        key=lambda g: (
            not any(s.is_reference for s in by_group[g]),
            min(sign * s.value for s in by_group[g]),
        ),
    )
    kept = set(ranked[:GROUPS])
    each = MOST_POINTS // max(len(kept), 1)
    return {
        group: sorted(spots, key=_price)[:: -(-len(spots) // each)]
        for group, spots in by_group.items()
        if group in kept
    }


def _line(
    plot: Plot, path: Sequence[Spot], aside: Mapping[Spot, float], hue: str, width: float
) -> list[Markup]:
    """Draw a line through some spots from left to right; nothing if they share one position."""
    if len({(s.cost, s.value) for s in path}) < 2:
        return []
    along_it = sorted(path, key=lambda s: (s.cost, aside[s]))
    places = [(s.cost, s.value) for s in along_it]
    return [plot.line(places, hue, shifts=[aside[s] for s in along_it], width=width)]


def _chosen(frontier: Frontier, best: Sequence[Spot]) -> list[Spot]:
    """Return all spots, or as many as can be distinguished: efficient ones, the reference, then an even selection."""
    if len(frontier.spots) <= MOST_POINTS:
        return list(frontier.spots)
    first = [s for s in frontier.spots if s.is_reference]
    first = list(dict.fromkeys([*first, *best]))[:MOST_POINTS]
    there = set(first)
    rest = [s for s in frontier.spots if s not in there]
    every = max(len(rest) // max(MOST_POINTS - len(first), 1), 1)
    return first + rest[::every][: MOST_POINTS - len(first)]


def _plot(frontier: Frontier, shown: Sequence[Spot]) -> Plot:
    levels = [v for s in shown for v in (s.low, s.high, s.value)]
    levels += [] if frontier.floor is None else [frontier.floor]
    costs = sorted({s.cost for s in shown})
    at_each = (
        tuple((c, f"{c:g}") for c in costs) if len(costs) <= TICKS and any(s.step for s in shown) else None
    )
    is_axis = at_each is not None and all(float(s.step) == s.cost for s in shown)
    direction = f"{frontier.name} ({frontier.better} is better)"
    x = scale(costs, log_from=LOG_FROM)
    return Plot(x, scale(levels), f"{frontier.cost} →", direction, at_each if is_axis else None)


def _groups(frontier: Frontier) -> list[str]:
    return list(dict.fromkeys(spot.group for spot in frontier.spots))


def _spot(plot: Plot, spot: Spot, groups: Sequence[str], aside: float, *, filled: bool) -> list[Markup]:
    """Draw interval, ring and mark, shifted by ``aside`` (a share of the width)."""
    i = groups.index(spot.group)
    x, y = percent(plot.share(spot.cost) + aside), plot.down(spot.value)
    value, low, high = wording.together([spot.value, spot.low, spot.high])
    interval = f" [{low}, {high}]" if spot.low < spot.high else ""
    about = f"{_name(spot)}: {value}{interval}"
    ring = element("circle", cx=x, cy=y, r=9, fill="none", stroke=INK, stroke_width=1.3)
    return [
        *([plot.whisker(x, spot.low, spot.high, colour(i))] if spot.low < spot.high else []),
        *([ring] if spot.is_reference else []),
        series_mark(x, y, i, filled=filled, about=about),
    ]


def _price(spot: Spot) -> float:
    return spot.cost


def _name(spot: Spot) -> str:
    return " ".join(filter(None, (spot.group, spot.step))) or "the only one"


def _chart(
    title: str,
    caption: str,
    frontier: Frontier,
    plot: Plot,
    marks: Sequence[Markup],
    best: Sequence[Spot],
    groups: Sequence[str],
) -> Chart:
    reference = next((s.value for s in frontier.spots if s.is_reference), None)
    below = []
    if reference is not None and frontier.margin:
        below.append(plot.band(reference - frontier.margin, reference + frontier.margin))
    if frontier.floor is not None:
        below.append(plot.level(frontier.floor))
    named = [g for g in groups if g]
    entries = [(series_mark("0", 0, i), g) for i, g in enumerate(named[:GROUPS])]
    if len(named) > GROUPS:
        entries.append((Markup(), f"and {len(named) - GROUPS:,} more"))
    samples, taken = legend(entries, plot.total)
    told = f"{frontier.name}, {frontier.better} is better, {wording.counted(len(frontier.spots), 'point')}."
    if best:
        told += f" Efficient: {wording.listed([_name(s) for s in best], NAMED)}."
    svg = drawing(title, told, plot.total + taken, *below, *plot.frame(), *marks, *samples)
    return Chart(title, svg, caption, _table(frontier, title, best))


def _table(frontier: Frontier, title: str, best: Sequence[Spot]) -> Table:
    """Make the table of the spots, best first."""
    sign = 1 if frontier.better == "lower" else -1
    spots = sorted(frontier.spots, key=lambda s: sign * s.value)[:IN_TABLE]
    columns = (
        "point",
        frontier.cost,
        frontier.name,
        f"{confidence(())} interval",
        *(["efficient"] if best else []),
    )
    values = wording.together([s.value for s in spots])
    rows = []
    for s, value in zip(spots, values, strict=True):
        low, high = wording.together([s.low, s.high])
        cells = (
            Cell(_name(s), note="reference" if s.is_reference else ""),
            Cell(f"{s.cost:g}", sort=s.cost),
            Cell(value, sort=s.value),
            Cell(f"[{low}, {high}]" if s.low < s.high else "", sort=s.high - s.low),
            *([Cell("yes" if s in best else "no")] if best else []),
        )
        rows.append(cells)
    return Table(title, columns, tuple(rows), frozenset({1, 2, 3}), len(frontier.spots) - len(spots))


def _intervals(frontier: Frontier) -> str:
    return f" with its {confidence(())} interval" if any(s.high > s.low for s in frontier.spots) else ""


def _aside(frontier: Frontier, aside: Mapping[Spot, float]) -> str:
    if not any(aside.values()):
        return ""
    return f" Points of equal {frontier.cost} that would hide each other stand slightly apart."


def _levels(frontier: Frontier) -> str:
    parts = []
    if any(s.is_reference for s in frontier.spots):
        band = "; the band is its value ± the margin" if frontier.margin else ""
        parts.append(f" Ring: the reference point{band}.")
    if frontier.floor is not None:
        parts.append(" Dotted: the floor, real images against real ones.")
    return "".join(parts)


def _cut(frontier: Frontier, shown: Sequence[Spot]) -> str:
    of = len(frontier.spots)
    return f" {len(shown):,} of {of:,} points are drawn." if len(shown) < of else ""


MOST = 4
"""Maximum number of fields shown."""


def frontier(context: Context) -> Section | None:
    """Show quality against cost, and a line per scheduler (or other axes) along steps (or another numeric axis).

    None if nothing in the matrix has a cost or a numeric axis.
    """
    costs, axes = against_cost(context.candidate)[:MOST], along_axis(context.candidate)[:MOST]
    if not costs and not axes:
        return None
    title = "Quality against cost" if costs else f"Metrics along {axes[0].cost}"
    lead = "Which points of the matrix are worth their cost." if costs else ""
    return Section("cost", title, (*map(quality_cost, costs), *map(along, axes)), lead)
