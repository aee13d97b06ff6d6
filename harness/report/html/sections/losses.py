"""The loss curves of each stage that records them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.compare import wording
from harness.report.facts import Training, clock, losses, series, trainings
from harness.report.html.context import Context
from harness.report.html.parts import Cell, Chart, Section, Table
from harness.report.html.svg import QUIET, Plot, colour, drawing, legend, mark, rule, scale

ROWS = 100
"""Maximum number of rows of a training kept for a line; rare ones (occasional validation) come in addition."""
POINTS = 200
"""Maximum number of points of a line."""
LINES = 24
"""Maximum number of trainings drawn."""
NAMED = 10
"""Maximum number of points of the matrix named in the legend."""
IN_TABLE = 100
LOG_FROM = 20.0
"""Losses that span at least this factor are drawn on a logarithmic axis."""


def curves(name: str, trainings: Sequence[Training]) -> Chart:
    """Draw the losses of a stage: training dashed, held-out data solid, a colour per point of the matrix."""
    shown = trainings[:LINES]
    columns, along = losses(t.rows for t in shown), clock(shown[0].rows)
    points = list(dict.fromkeys(t.point for t in shown))
    found = [
        (points.index(t.point), column, path)
        for t in shown
        for column in columns
        if (path := _thinned(series(t.rows, column, along)))
    ]
    values = [v for _, _, path in found for _, v in path]
    x = scale((c for _, _, path in found for c, _ in path), pad=0.02)
    plot = Plot(x, scale(values, log_from=LOG_FROM), f"{along} →", "loss", height=180)
    marks = [m for index, column, path in found for m in _line(plot, path, index, column)]
    samples, taken = legend(_entries(columns, points), plot.total)
    title = f"Loss of {name}"
    told = f"{wording.listed(columns, 4)} of {name}, {wording.counted(len(trainings), 'training')}."
    cut = f" {len(shown):,} of {len(trainings):,} trainings are drawn." if len(shown) < len(trainings) else ""
    caption = (
        f"Dashed: on training data, solid: held out. {wording.counted(len(trainings), 'training')}.{cut}"
    )
    svg = drawing(title, told, plot.total + taken, *plot.frame(), *marks, *samples)
    return Chart(title, svg, caption, _table(title, trainings, columns, along))


def _line(plot: Plot, path: Sequence[tuple[float, float]], index: int, column: str) -> list[Markup]:
    """Draw a line, with dots if it has few points, since a single point would not be visible."""
    hue = colour(index)
    line = plot.line(path, hue, width=1.2 if _is_training(column) else 1.8, dashes=_dashes(column))
    dots = (
        [mark(plot.across(x), plot.down(y), "circle", hue, size=0.5) for x, y in path]
        if len(path) < 3
        else []
    )
    return [line, *dots]


def _is_training(column: str) -> bool:
    return column.startswith("train")


def _dashes(column: str) -> str:
    return "4 3" if _is_training(column) else "none"


def _thinned(path: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    every = -(-len(path) // POINTS) or 1
    return [place for i, place in enumerate(path) if i % every == 0 or i == len(path) - 1]


def _entries(columns: Sequence[str], points: Sequence[str]) -> list[tuple[Markup, str]]:
    hue = QUIET if len(points) > 1 else colour(0)
    entries = [
        (
            rule(
                "-10",
                0,
                "10",
                0,
                hue,
                stroke_width=1.8,
                stroke_dasharray=_dashes(c),
            ),
            c.replace("_", " "),
        )
        for c in columns
    ]
    if len(points) > 1:
        entries += [
            (rule("-10", 0, "10", 0, colour(i), stroke_width=4), point or "elsewhere")
            for i, point in enumerate(points[:NAMED])
        ]
        rest = len(points) - NAMED
        entries += [(Markup(), f"and {rest:,} more")] if rest > 0 else []
    return entries


def _table(title: str, trainings: Sequence[Training], columns: Sequence[str], along: str) -> Table:
    """Make a table of each training's first, best and last loss."""
    rows = []
    for t in trainings[:IN_TABLE]:
        for column in columns:
            path = series(t.rows, column, along)
            if path:
                ends = (path[0][1], min(v for _, v in path), path[-1][1])
                first, best, last = wording.together(ends)
                told = [Cell(text, sort=v) for text, v in zip((first, best, last), ends, strict=True)]
                rows.append((Cell(t.point), Cell(t.seeds), Cell(column.replace("_", " ")), *told))
    heads = ("point", "seeds", "loss", "first", "least", "last")
    return Table(title, heads, tuple(rows), frozenset({3, 4, 5}), max(len(trainings) - IN_TABLE, 0))


MOST = 8
"""Maximum number of stages drawn."""


def loss_curves(context: Context) -> Section | None:
    """Show the loss curves; None if no stage records its loss."""
    found = trainings(context.run, ROWS)
    if not found:
        return None
    charts = tuple(curves(name, of) for name, of in list(found.items())[:MOST])
    rest = list(found)[MOST:]
    lead = f"Not drawn: {wording.listed(rest, 5)}." if rest else ""
    return Section("losses", "Loss curves", charts, lead)
