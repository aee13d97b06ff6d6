"""``leaderboard.html``: the board on one page that opens from disk, with a chart for each table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.compare import wording
from harness.compare.sample import Figure
from harness.formats.strict_json import canonical
from harness.leaderboard import Board, Column, Line, Table
from harness.report import leaderboard as words
from harness.report.html.frame import page
from harness.report.html.parts import Block, Cell, Chart, Listing, Section, Tone
from harness.report.html.parts import Table as Figures
from harness.report.html.parts import Table as Shown
from harness.report.html.svg import ACCENT, QUIET, RULE, drawing, element, fitted, mark, percent, rule, text
from harness.report.leaderboard import Places

MOST = 40
"""Maximum number of lines drawn; the table below has more."""
ROW, FOOT = 34.0, 22.0
NAME = 44
"""Characters of a name that fit next to the rank on a phone."""
LEFT, RIGHT = 0.02, 0.98


def chart(table: Table) -> Chart | None:
    """Draw a table; None if fewer than two lines have a value, so that there is nothing to compare."""
    drawn = [(line, f) for line in table.lines if table.columns and (f := line.figures[0]) is not None]
    if len(drawn) < 2:
        return None
    shown, column = drawn[:MOST], table.columns[0]
    axis = _Axis.over([f for _, f in shown])
    height = ROW * len(shown) + FOOT
    title = f"{column.name} of each row"
    told = f"{wording.counted(len(drawn), 'row')}, best first. The table has the numbers."
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
    """Draw ends and middle of the axis, with their values."""
    values = [axis.low, (axis.low + axis.high) / 2, axis.high]
    texts = wording.together(values)
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


LINES, TABLES, FIELDS = 500, 24, 400
"""Maximum number of rows of a table, of tables, and of protocol fields; ``leaderboard.json`` has all."""
ALL = "leaderboard.json"


def render(board: Board, places: Places) -> str:
    """Render the page.

    Args:
        board: board to show.
        places: link targets of the lines.
    """
    ours = [t for t in board.tables if t.kind == "runs"]
    theirs = [t for t in board.tables if t.kind == "published"]
    sections = [_section(table, n, places) for n, table in enumerate(ours[:TABLES], 1)]
    if theirs:
        sections.append(_literature(theirs, places))
    if ours:
        sections.append(_protocols(ours[:TABLES]))
    told = [words.summary(board), *board.notes]
    if len(ours) > TABLES:
        told.append(f"{len(ours) - TABLES:,} tables more are in {ALL}.")
    top = Markup("").join(Markup('<p class="about">{}</p>').format(wording.clean(t)) for t in told)
    return page("Leaderboard", sections, top=top)


def _section(table: Table, number: int, places: Places) -> Section:
    drawn = chart(table)
    told = "Mean and 90 % interval; in brackets the direction that is better."
    blocks: list[Block] = [_tabled(table, f"{told} {table.method}".strip(), places)]
    if drawn is not None:
        blocks.insert(0, drawn)
    if table.reference:
        blocks.append(_paired(table))
    return Section(
        f"table-{number}", words.heading(table, number), tuple(blocks), lead=words.explained(table, number)
    )


def _tabled(table: Table, caption: str, places: Places) -> Shown:
    ranked = any(line.ranks for line in table.lines)
    scales = [words.scale(table, n) for n in range(len(table.columns))]
    heads = ["row", *(["rank"] if ranked else []), *map(_head, table.columns)]
    rows = tuple(
        (
            Cell(line.name, note=_from(table, line), link=places.link(line.origin)),
            *(
                [Cell(words.ranks(line.ranks), sort=line.ranks.best if line.ranks else None)]
                if ranked
                else []
            ),
            *_figures(table, line, scales),
        )
        for line in table.lines[:LINES]
    )
    left_out = max(len(table.lines) - LINES, 0)
    return Shown(caption, tuple(heads), rows, frozenset(range(1, len(heads))), left_out, ALL)


def _figures(table: Table, line: Line, scales: Sequence[float]) -> list[Cell]:
    return [
        Cell(
            words.mean(f, table, scale),
            sort=None if f is None else f.mean,
            note=words.interval(f, scale),
            tone="quiet" if f is None else "",
        )
        for f, scale in zip(line.figures, scales, strict=True)
    ]


def _head(column: Column) -> str:
    """Return a column heading with its direction in words: in a sortable table an arrow would mean the sort order."""
    return f"{column.name} ({column.better})"


def _from(table: Table, line: Line) -> str:
    if line.origin.path is None:
        return ""
    date = line.origin.date[:10] if line.origin.label else ""  # a run's id begins with its date
    told = words.origin(line).replace(f" {table.title}/", " ")  # the heading already names the suite
    return "; ".join(filter(None, (told, date, line.note)))


def _paired(table: Table) -> Shown:
    """Make a table of every other line's change from the named line."""
    rows = []
    for line in table.lines[:LINES]:
        if line.key == table.reference:
            continue
        cells = []
        for finding in line.paired:
            told, verdict = words.change(finding)
            tone: Tone = "" if finding is None or finding.verdict is None else finding.verdict.value
            sort = finding.estimate.change if finding and finding.estimate else None
            cells.append(Cell(told, sort=sort, note=verdict, tone=tone))
        rows.append((Cell(line.name), *cells))
    return Shown(
        f"Change from {table.reference}, with 90 % interval; paired where both have the same seeds or items",
        ("row", *map(_head, table.columns)),
        tuple(rows),
        frozenset(range(1, len(table.columns) + 1)),
        max(len(table.lines) - LINES, 0),
        ALL,
    )


def _literature(tables: Sequence[Table], places: Places) -> Section:
    lead = "Not measured here, so that nothing in these tables is ranked, nor compared with the rows above."
    blocks: list[Block] = []
    for table in tables:
        blocks.append(Listing(table.title, tuple(words.published_as(table))))
        blocks.append(_tabled(table, f"{table.title}, as published", places))
    return Section("published", "Published by others", tuple(blocks), lead)


def _protocols(tables: Sequence[Table]) -> Section:
    blocks = []
    for number, table in enumerate(tables, 1):
        rows = tuple(
            (Cell(name), Cell(value if isinstance(value, str) else canonical(value)))
            for name, value in list(table.protocol.items())[:FIELDS]
        )
        left_out = max(len(table.protocol) - FIELDS, 0)
        caption = f"Protocol of table {number}: {table.title}"
        blocks.append(Shown(caption, ("field", "value"), rows, left_out=left_out, whole=ALL))
    lead = "Everything that reached the metrics of a table without passing through what was compared."
    return Section("protocols", "Protocols", tuple(blocks), lead, folded=True)
