"""The picture of quality against cost: a scatter whose efficient points stand out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.compare import wording
from harness.report.figures import style
from harness.report.figures.labels import place_labels
from harness.report.frontier import Frontier, Spot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = 26
"""Longer names of groups are cut."""


def scatter(frontier: Frontier) -> bytes:
    """An SVG: one colour and marker per group, lines along the numeric axis, efficient points filled and named."""
    with style.settings():
        return style.to_svg(plotted(frontier))


def plotted(frontier: Frontier) -> Figure:
    """The plot itself, laid out."""
    figure, axes = style.plot(height_in=4.0)
    groups = list(dict.fromkeys(spot.group for spot in frontier.spots))
    is_log = style.plain_ticks(axes.xaxis, [s.cost for s in frontier.spots], at_least=6.0)
    axes.margins(x=0.08, y=0.12)
    for i, group in enumerate(groups):
        _draw_group(axes, frontier, [s for s in frontier.spots if s.group == group], i)
    if not is_log:
        axes.set_xlim(left=0)  # once the points are there: it ends the scaling to them
    _draw_levels(axes, frontier)
    axes.set_xlabel(frontier.cost)
    axes.set_ylabel(f"{wording.clean(frontier.name, most=40)}  ({frontier.better} is better)")
    figure.legend(handles=_legend(frontier, groups), loc="outside right upper")
    figure.canvas.draw()  # lays the plot out; what follows measures in pixels
    figure.set_layout_engine("none")
    place_labels(axes, [(s.cost, s.value, *_label(frontier, s)) for s in _by_weight(frontier)])
    return figure


def _draw_group(axes: Axes, frontier: Frontier, spots: Sequence[Spot], index: int) -> None:
    hue, shape = style.colour(index), style.marker(index)
    path = sorted(spots, key=lambda s: float(s.step)) if spots[0].step else []
    axes.plot([s.cost for s in path], [s.value for s in path], color=hue, linewidth=1.0, alpha=0.45, zorder=2)
    best = frontier.efficient
    for s in spots:
        strong = s in best
        axes.vlines(s.cost, s.low, s.high, color=hue, linewidth=1.0, alpha=0.9 if strong else 0.5, zorder=3)
        face = hue if strong else "white"
        axes.plot(
            s.cost, s.value, shape, color=hue, markerfacecolor=face, markersize=8 if strong else 6, zorder=4
        )
        if s.is_reference:
            axes.plot(s.cost, s.value, "o", zorder=5, **_RING)


_RING: dict[str, Any] = {
    "color": style.INK,
    "markerfacecolor": "none",
    "markersize": 14,
    "markeredgewidth": 1.2,
}
_FLOOR: dict[str, Any] = {"color": style.QUIET, "linewidth": 1.2, "linestyle": (0, (1, 2))}
_BAND: dict[str, Any] = {"color": style.INK, "alpha": 0.06, "linewidth": 0}


def _draw_levels(axes: Axes, frontier: Frontier) -> None:
    """The floor as a line; as a band what is as good as the reference within the margin."""
    if frontier.floor is not None:
        axes.axhline(frontier.floor, zorder=1, **_FLOOR)
    reference = next((s.value for s in frontier.spots if s.is_reference), None)
    if reference is not None and frontier.margin:
        axes.axhspan(reference - frontier.margin, reference + frontier.margin, zorder=0, **_BAND)


def _legend(frontier: Frontier, groups: Sequence[str]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], color=style.colour(i), marker=style.marker(i), label=wording.clean(group, most=NAME))
        for i, group in enumerate(groups)
        if group
    ]
    dot: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": style.QUIET}
    handles.append(Line2D([], [], markersize=8, label="efficient", **dot))
    handles.append(Line2D([], [], markersize=6, markerfacecolor="white", label="not efficient", **dot))
    if any(s.high > s.low for s in frontier.spots):
        handles.append(
            Line2D(
                [], [], marker="|", markersize=11, linestyle="none", color=style.QUIET, label="90 % interval"
            )
        )
    if any(s.is_reference for s in frontier.spots):
        handles.append(Line2D([], [], linestyle="none", marker="o", label="reference", **_RING))
        if frontier.margin:
            handles.append(Patch(label="reference ± margin", **{**_BAND, "alpha": 0.12}))
    if frontier.floor is not None:
        handles.append(Line2D([], [], label="floor: real against real", **_FLOOR))
    return handles


def _by_weight(frontier: Frontier) -> list[Spot]:
    """What must be named comes first, while there is room: efficient points, then the reference."""
    best = frontier.efficient
    return sorted(frontier.spots, key=lambda s: (s not in best, not s.is_reference))


def _label(frontier: Frontier, spot: Spot) -> tuple[str, bool]:
    """The text at a spot, and whether it must stand there: its group, too, where the spot stands out."""
    stands_out = spot.is_reference or spot in frontier.efficient
    parts = (spot.group, spot.step) if stands_out or not spot.step else (spot.step,)
    return wording.clean(" ".join(filter(None, parts)), most=NAME), stands_out
