"""Loss curves: one plot for each stage whose facts carry a ``history``, one line per point and repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.artifact import Json
from harness.compare import wording
from harness.report.figures import style
from harness.report.figures.drawing import Drawing
from harness.report.histories import clock, losses, series, trainings
from harness.store.record import Run

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

ROWS = 400
"""At most so many points of a line are drawn: more than a plot of this width can show."""
NAMED = 10
"""At most so many points of the matrix have a line of their own in the legend."""
LOG_FROM = 20.0
"""Losses that span this factor are drawn on a logarithmic axis."""


def curves(run: Run) -> Iterator[Drawing]:
    """A drawing per stage and output whose tasks tell how their loss went."""
    for name, found in trainings(run, ROWS).items():
        lines: list[Mapping[str, Json]] = [
            {"point": t.point, "seeds": t.seeds, "rows": list(t.rows)} for t in found
        ]
        columns = ", ".join(losses(t.rows for t in found))
        alt = f"{columns} of {name}, {wording.counted(len(found), 'training')}"
        yield Drawing(f"loss-{name}.svg", "losses", f"Loss of {name}", alt, lines, partial(_draw, lines))


def _draw(lines: Sequence[Mapping[str, Any]]) -> bytes:
    from matplotlib.ticker import MaxNLocator

    with style.settings():
        figure, axes = style.plot(height_in=3.4)
        points = list(dict.fromkeys(line["point"] for line in lines))
        columns = losses(line["rows"] for line in lines)
        along = clock(lines[0]["rows"])
        drawn: list[float] = []
        for line in lines:
            hue = style.colour(points.index(line["point"]))
            for column in columns:
                places = series(line["rows"], column, along)
                xs, ys = [x for x, _ in places], [y for _, y in places]
                axes.plot(xs, ys, color=hue, **_look(column, len(places)))
                drawn += ys
        style.plain_ticks(axes.yaxis, drawn, at_least=LOG_FROM)
        axes.set_xlabel(along)
        axes.set_ylabel("loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(handles=_legend(points, columns), loc="outside right upper")
        return style.to_svg(figure)


def _look(column: str, rows: int) -> dict[str, Any]:
    """Training thin and dashed, what was held out solid; few rows are marked, a single one would not show."""
    is_training = column.startswith("train")
    look: dict[str, Any] = {"linewidth": 1.0 if is_training else 1.6, "alpha": 0.7 if is_training else 0.9}
    look["linestyle"] = (0, (3, 2)) if is_training else "-"
    return look | ({"marker": "o", "markersize": 3} if rows <= 30 else {})


def _legend(points: Sequence[str], columns: Sequence[str]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=style.QUIET, label=column.replace("_", " "), **_look(column, rows=100))
        for column in columns
    ]
    named = points[:NAMED] if len(points) > 1 else []
    handles += [
        Line2D([], [], color=style.colour(i), linewidth=3, label=wording.clean(point, most=40))
        for i, point in enumerate(named)
    ]
    rest = len(points) - len(named)
    if named and rest:
        handles.append(Line2D([], [], linestyle="none", label=f"and {rest} more"))
    return handles
