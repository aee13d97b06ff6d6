"""Marks that would hide each other: how far they are set aside, which never changes the order of what is plotted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from harness.report.frontier import Spot
from harness.report.html.charts.plot import Plot

BESIDE = 0.011
"""Between two marks at one place, as a share of the width: about the width of a mark."""
_SPAN = 0.066
"""From the first to the last mark at one place, at most."""
_OF_GAP = 0.8
"""Of the way to the nearest other cost, at most."""
_HALF_MARK = 7.0
"""Pixels above and below the centre of a mark that are its own."""


def shifts(plot: Plot, spots: Sequence[Spot], groups: Sequence[str]) -> dict[Spot, float]:
    """How far each spot is set aside, as a share of the width: 0, but where spots of one cost overlap.

    Args:
        plot: where they are drawn.
        spots: what is drawn.
        groups: the order from left to right.
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
    """Spots of one cost, those together that overlap with their intervals, from below."""
    bunches: list[list[Spot]] = []
    top = 0.0
    for spot in sorted(set(spots), key=lambda s: min(s.low, s.value)):
        low = plot.down(min(spot.low, spot.value)) + _HALF_MARK
        high = plot.down(max(spot.high, spot.value)) - _HALF_MARK
        if bunches and low > top:  # pixels count from above
            bunches[-1].append(spot)
            top = min(top, high)
        else:
            bunches.append([spot])
            top = high
    return bunches
