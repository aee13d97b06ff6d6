"""``leaderboard.html``: the board on one page that opens from disk."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.canonical import canonical
from harness.leaderboard.board import Board, Column, Line, Table
from harness.report import numbers
from harness.report.html.frame import page
from harness.report.html.parts import Block, Cell, Listing, Section, Tone
from harness.report.html.parts import Table as Shown
from harness.report.leaderboard import words
from harness.report.leaderboard.chart import chart
from harness.report.leaderboard.places import Places

LINES, TABLES, FIELDS = 500, 24, 400
"""Rows of a table, tables, and fields of a protocol that are shown at most; ``leaderboard.json`` has all."""
ALL = "leaderboard.json"


def render(board: Board, places: Places) -> str:
    """The page.

    Args:
        board: what to show.
        places: where lines lead to.
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
    top = Markup("").join(Markup('<p class="about">{}</p>').format(numbers.clean(t)) for t in told)
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
    """In words, since an arrow beside the head of a table that sorts would say how it is sorted."""
    return f"{column.name} ({column.better})"


def _from(table: Table, line: Line) -> str:
    if line.origin.path is None:
        return ""
    date = line.origin.date[:10] if line.origin.label else ""  # a run's id begins with it
    told = words.origin(line).replace(f" {table.title}/", " ")  # the heading names the suite
    return "; ".join(filter(None, (told, date, line.note)))


def _paired(table: Table) -> Shown:
    """The change of every other line from the one that was named."""
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
