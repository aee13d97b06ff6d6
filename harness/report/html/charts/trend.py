"""How a figure went over the accepted runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.compare.figure import Figure
from harness.report import numbers
from harness.report.evidence import confidence
from harness.report.html.charts.marks import mark, rule
from harness.report.html.charts.plot import TOP, Plot
from harness.report.html.charts.scale import scale
from harness.report.html.charts.svg import ACCENT, INK, QUIET, drawing
from harness.report.html.parts import Cell, Chart, Table

MOST = 60
"""Runs that are drawn, the last ones."""


@dataclass(frozen=True)
class Stop:
    """One run on the way."""

    label: str
    """When: a date, or that it is the run of this report."""
    about: str
    """Why it was accepted, in a few words."""
    figure: Figure | None
    """None where the run has no such score."""
    is_break: bool
    """Its protocol differs from that of the run before: the two cannot be compared."""
    changed: bool = False
    """Something else was changed on purpose since the run before."""
    is_now: bool = False
    """The run of this report, which is not accepted."""


def trend(name: str, better: str, stops: Sequence[Stop]) -> Chart:
    """A mark per run in their order, with the interval of its mean; the line breaks where the protocol changed."""
    shown = stops[-MOST:]
    levels = [v for s in shown if s.figure for v in _range(s.figure)]
    x = scale((0, max(len(shown) - 1, 1)), pad=0.07)
    ticks = tuple((float(i), shown[i].label) for i in _named(len(shown)))
    plot = Plot(x, scale(levels), "accepted runs →", f"{name} ({better} is better)", ticks, height=150)
    lines = [plot.line(path, QUIET) for path in _paths(shown) if len(path) > 1]
    breaks = [_break(plot, i) for i, s in enumerate(shown) if s.is_break and i]
    marks = [m for i, s in enumerate(shown) for m in _stop(plot, i, s)]
    title = f"{name} over the accepted runs"
    svg = drawing(title, _told(name, shown), plot.total, *plot.frame(), *breaks, *lines, *marks)
    return Chart(title, svg, _caption(shown, len(stops)), _table(title, name, stops))


def _range(figure: Figure) -> tuple[float, float, float]:
    low, high = figure.low, figure.high
    return (figure.mean if low is None else low, figure.mean, figure.mean if high is None else high)


def _named(count: int) -> list[int]:
    """The first, the last, and one between them where there is room."""
    return sorted({0, count // 2, count - 1} if count > 4 else {0, count - 1})


def _paths(stops: Sequence[Stop]) -> list[list[tuple[float, float]]]:
    """Runs that follow one another and can be compared, as lines."""
    paths: list[list[tuple[float, float]]] = [[]]
    for i, stop in enumerate(stops):
        if stop.is_break or stop.figure is None:
            paths.append([])
        if stop.figure is not None:
            paths[-1].append((float(i), stop.figure.mean))
    return paths


def _break(plot: Plot, index: int) -> Markup:
    at = plot.across(index - 0.5)
    return rule(at, TOP, at, TOP + plot.height, QUIET, stroke_dasharray="5 4")


def _stop(plot: Plot, index: int, stop: Stop) -> list[Markup]:
    if stop.figure is None:
        return []
    low, mean, high = _range(stop.figure)
    x, hue = plot.across(index), ACCENT if stop.is_now else INK
    whisker = [plot.whisker(x, low, high, hue)] if low < high else []
    about = f"{stop.label}: {_written(stop.figure)}. {stop.about}"
    shape = "diamond" if stop.changed else "circle"
    return [*whisker, mark(x, plot.down(mean), shape, hue, filled=not stop.is_now, about=about)]


def _written(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return numbers.number(figure.mean)
    mean, low, high = numbers.together([figure.mean, figure.low, figure.high])
    return f"{mean} [{low}, {high}]" if figure.low < figure.high else mean


def _told(name: str, stops: Sequence[Stop]) -> str:
    figures = [s.figure for s in stops if s.figure]
    ends = f" From {_written(figures[0])} to {_written(figures[-1])}." if figures else ""
    return f"{name} of {numbers.counted(len(stops), 'run')}.{ends}"


def _caption(shown: Sequence[Stop], of: int) -> str:
    parts = ["Accepted runs in their order"]
    parts += (
        [f" with their {confidence(())} intervals"]
        if any(s.figure and s.figure.low is not None for s in shown)
        else []
    )
    parts += [", and this run (hollow)"] if any(s.is_now for s in shown) else []
    parts += ["; diamond: the suite or its subject was changed"] if any(s.changed for s in shown) else []
    if any(s.is_break for s in shown[1:]):
        parts.append("; broken line: the protocol changed, figures to either side cannot be compared")
    parts += [f". The last {len(shown):,} of {of:,} are drawn"] if len(shown) < of else []
    return "".join(parts) + "."


def _table(title: str, name: str, stops: Sequence[Stop]) -> Table:
    """Newest first."""
    rows = []
    for stop in reversed(stops):
        figure = stop.figure
        value = Cell("none", tone="quiet") if figure is None else Cell(_written(figure), sort=figure.mean)
        note = "the protocol changed" if stop.is_break else ""
        rows.append((Cell(stop.label, note=note), value, Cell(stop.about)))
    return Table(title, ("run", f"{name}, {confidence(())} interval", "why"), tuple(rows), frozenset({1}))
