"""Loss curves: one plot for each stage whose facts carry a ``history``, one line per point and repeat."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.artifact import Json
from harness.canonical import canonical
from harness.record import Run, TaskInfo
from harness.report import numbers
from harness.report.figures import style
from harness.report.figures.drawing import Drawing

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

HISTORY = "history"
"""A fact: a list of flat rows with ``epoch`` or ``step`` and columns whose names end in ``loss``."""
ROWS = 400
"""At most so many points of a line are drawn: more than a plot of this width can show."""
NAMED = 10
"""At most so many points of the matrix have a line of their own in the legend."""
LOG_FROM = 20.0
"""Losses that span this factor are drawn on a logarithmic axis."""


def curves(run: Run) -> Iterator[Drawing]:
    """A drawing per stage and output whose tasks tell how their loss went."""
    by_stage: dict[tuple[str, str], list[tuple[TaskInfo, list[Mapping[str, Json]]]]] = {}
    for task in run.tasks:
        for fact, value in task.facts.items():
            output, _, name = fact.rpartition(".")
            rows = _rows(value) if name == HISTORY else []
            if rows:
                by_stage.setdefault((task.node, output), []).append((task, rows))
    for (node, output), found in by_stage.items():
        name = f"{node}.{output}" if output else node
        lines: list[Mapping[str, Json]] = [
            {"point": numbers.point(task.point), "seeds": numbers.point(task.seeds), "rows": _thinned(rows)}
            for task, rows in found
        ]
        columns = ", ".join(_losses(rows for _, rows in found))
        alt = f"{columns} of {name}, {numbers.counted(len(found), 'training')}"
        yield Drawing(f"loss-{name}.svg", "losses", f"Loss of {name}", alt, lines, partial(_draw, lines))


def _rows(value: Json) -> list[Mapping[str, Json]]:
    rows = value if isinstance(value, list | tuple) else []
    kept = [row for row in rows if isinstance(row, Mapping)]
    return kept if _losses([kept]) else []


def _losses(histories: Any) -> list[str]:
    """The columns that are losses and hold a number somewhere, training first."""
    names = dict.fromkeys(
        name
        for rows in histories
        for row in rows
        for name, value in row.items()
        if name.endswith("loss") and _is_number(value)
    )
    return sorted(names, key=lambda name: not name.startswith("train"))


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _thinned(rows: Sequence[Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    """Every so many-th row, and those with a column that most lack (a validation now and then), and the last."""
    every = math.ceil(len(rows) / ROWS)
    rare = [n for n in _losses([rows]) if sum(_is_number(r.get(n)) for r in rows) * every <= len(rows)]
    return [
        row
        for i, row in enumerate(rows)
        if i % every == 0 or i == len(rows) - 1 or any(_is_number(row.get(n)) for n in rare)
    ]


def _draw(lines: Sequence[Mapping[str, Any]]) -> bytes:
    from matplotlib.ticker import MaxNLocator

    with style.settings():
        figure, axes = style.plot(height_in=3.4)
        points = list(dict.fromkeys(line["point"] for line in lines))
        columns = _losses(line["rows"] for line in lines)
        clock = next((c for c in ("step", "epoch") if all(c in r for r in lines[0]["rows"])), "row")
        drawn: list[float] = []
        for line in lines:
            hue = style.colour(points.index(line["point"]))
            for column in columns:
                rows = [(i, r) for i, r in enumerate(line["rows"], 1) if _is_number(r.get(column))]
                xs, ys = [r.get(clock, i) for i, r in rows], [r[column] for _, r in rows]
                axes.plot(xs, ys, color=hue, **_look(column, len(rows)))
                drawn += ys
        style.plain_ticks(axes.yaxis, drawn, at_least=LOG_FROM)
        axes.set_xlabel(clock)
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
        Line2D([], [], color=style.colour(i), linewidth=3, label=numbers.clean(point, most=40))
        for i, point in enumerate(named)
    ]
    rest = len(points) - len(named)
    if named and rest:
        handles.append(Line2D([], [], linestyle="none", label=f"and {rest} more"))
    return handles


def summary(value: Json) -> str:
    """What a table of facts shows in place of a history: how long it is and what it has."""
    rows = _rows(value)
    return f"{numbers.counted(len(rows), 'row')}: {', '.join(rows[0])}" if rows else canonical(value)
