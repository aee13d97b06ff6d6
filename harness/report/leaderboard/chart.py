"""Where the lines of a table stand: mean and 90 % interval of what they are ordered by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.compare.figure import Figure
from harness.leaderboard.board import Line, Table
from harness.report import numbers
from harness.report.html.charts.marks import mark, rule
from harness.report.html.charts.svg import ACCENT, QUIET, RULE, drawing, element, fitted, percent, text
from harness.report.html.parts import Cell, Chart
from harness.report.html.parts import Table as Figures
from harness.report.leaderboard import words

MOST = 40
"""Lines that are drawn; the table below has more."""
ROW, FOOT = 34.0, 22.0
NAME = 44
"""Letters of a name that fit on a telephone beside the rank."""
LEFT, RIGHT = 0.02, 0.98


def chart(table: Table) -> Chart | None:
    """None where there is nothing to compare: fewer than two lines with a value."""
    drawn = [(line, f) for line in table.lines if table.columns and (f := line.figures[0]) is not None]
    if len(drawn) < 2:
        return None
    shown, column = drawn[:MOST], table.columns[0]
    axis = _Axis.over([f for _, f in shown])
    height = ROW * len(shown) + FOOT
    title = f"{column.name} of each row"
    told = f"{numbers.counted(len(drawn), 'row')}, best first. The table has the numbers."
    marks = [m for n, (line, f) in enumerate(shown) for m in _row(line, f, n * ROW, axis)]
    svg = drawing(title, told, height, *_frame(axis, height), *marks)
    rests = words.repeats(table)
    caption = f"Mean and 90 % interval{f' over {rests}' if rests else ''}; {column.better} is better."
    caption += " At the right the ranks that a row may have."
    if len(shown) < len(drawn):
        caption += f" The best {len(shown)} of {len(drawn):,} are drawn."
    return Chart(title, svg, caption, _table(table, shown, title))


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float

    @classmethod
    def over(cls, figures: Sequence[Figure]) -> _Axis:
        ends = [v for f in figures for v in (f.mean, f.low, f.high) if v is not None and math.isfinite(v)]
        low, high = min(ends), max(ends)
        if low == high:
            low, high = low - 1.0, high + 1.0
        return cls(low, high)

    def at(self, value: float) -> str:
        return percent(LEFT + (RIGHT - LEFT) * (value - self.low) / (self.high - self.low))


def _frame(axis: _Axis, height: float) -> list[Markup]:
    """Ends and middle of the axis, with their values."""
    values = [axis.low, (axis.low + axis.high) / 2, axis.high]
    texts = numbers.together(values)
    found: list[Markup] = []
    for value, told, anchor in zip(values, texts, ("start", "middle", "end"), strict=True):
        x = axis.at(value)
        found.append(rule(x, 0, x, height - FOOT, RULE))
        found.append(text(told, x, height - 6, fill=QUIET, text_anchor=anchor))
    return found


def _row(line: Line, figure: Figure, top: float, axis: _Axis) -> list[Markup]:
    y = top + 24
    tip = f"{line.name}: {figure.mean:.6g}"
    found = [
        text(fitted(line.name, NAME), percent(LEFT), top + 13, font_size=12.5),
        text(words.ranks(line.ranks), percent(RIGHT), top + 13, text_anchor="end", fill=QUIET),
    ]
    if figure.low is not None and figure.high is not None:
        found.append(rule(axis.at(figure.low), y, axis.at(figure.high), y, ACCENT, stroke_width=2))
    found.append(mark(axis.at(figure.mean), y, "circle", ACCENT, about=tip))
    return [element("g", *found)]


def _table(table: Table, shown: Sequence[tuple[Line, Figure]], title: str) -> Figures:
    scale = words.scale(table, 0)
    rows = [
        (
            Cell(line.name),
            Cell(words.ranks(line.ranks), sort=line.ranks.best if line.ranks else None),
            Cell(words.mean(f, table, scale), sort=f.mean),
            Cell(words.interval(f, scale)),
        )
        for line, f in shown
    ]
    return Figures(
        title, ("row", "rank", table.columns[0].name, "90 % interval"), tuple(rows), frozenset({1, 2})
    )
