"""A leaderboard as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compare import wording
from harness.leaderboard.board import Board, Line, Table
from harness.report.leaderboard import words
from harness.report.leaderboard.words import Places
from harness.report.markup import escape, table_row

LINES, COLUMNS, TABLES = 100, 12, 40
"""Maximum number of lines, columns and tables; ``leaderboard.csv`` and ``leaderboard.json`` have all."""


def render(board: Board, places: Places) -> str:
    """Render the board with escaped cells.

    Args:
        board: board to show.
        places: link targets of the lines.
    """
    ours = [t for t in board.tables if t.kind == "runs"]
    theirs = [t for t in board.tables if t.kind == "published"]
    parts = [f"# Leaderboard\n\n{escape(words.summary(board))}\n"]
    parts += [f"\n* {escape(note)}" for note in board.notes]
    for number, table in enumerate(ours[:TABLES], 1):
        parts.append(f"\n\n## {escape(words.heading(table, number))}\n\n")
        parts.append(escape(f"{words.explained(table, number)} {table.method}".strip(), most=2000) + "\n\n")
        parts.append(_tabled(table, places))
        if table.reference:
            parts.append(f"\n### Change from {escape(table.reference)}\n\n{_paired(table)}")
    if len(ours) > TABLES:
        parts.append(f"\n_{len(ours) - TABLES} tables more in `leaderboard.json`._\n")
    if theirs:
        parts.append(
            "\n\n## Published by others\n\nNot measured here, so never ranked with the rows above.\n"
        )
    for table in theirs:
        parts.append(
            f"\n### {escape(table.title)}\n\n{escape(' '.join(words.published_as(table)), most=2000)}\n\n"
        )
        parts.append(_tabled(table, places))
    return "".join(parts)


def _tabled(table: Table, places: Places) -> str:
    columns = table.columns[:COLUMNS]
    scales = [words.scale(table, n) for n in range(len(columns))]
    ours, ranked = table.kind == "runs", any(line.ranks for line in table.lines)
    heads = ["row", *(["rank"] if ranked else []), *(words.column_name(c) for c in columns)]
    heads += ["from", "date"] if ours else []
    rows = []
    for line in table.lines[:LINES]:
        told = [
            f"{words.mean(f, table, m)} {words.interval(f, m)}".strip()
            for f, m in zip(line.figures, scales, strict=False)
        ]
        name = line.name + (f" ({line.note})" if line.note and ours else "")
        cells = [escape(name), *([words.ranks(line.ranks)] if ranked else []), *map(escape, told)]
        rows.append([*cells, *(_from(line, places) if ours else [])])
    return _table(heads, rows, leads=ours) + _left_out(table)


def _paired(table: Table) -> str:
    columns = table.columns[:COLUMNS]
    rows = []
    for line in table.lines[:LINES]:
        if line.key != table.reference:
            told = (" ".join(filter(None, words.change(f))) for f in line.paired[: len(columns)])
            rows.append([escape(line.name), *map(escape, told)])
    return _table(["row", *(words.column_name(c) for c in columns)], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, leads: bool = False) -> str:
    marks = [":--"] + ["--:"] * (len(heads) - 1)
    if leads:
        marks[-2:] = [":--", ":--"]
    return table_row(map(escape, heads)) + table_row(marks) + "".join(map(table_row, rows))


def _from(line: Line, places: Places) -> list[str]:
    link = places.link(line.origin)
    told = escape(words.origin(line))
    return [f"[{told}]({link})" if link else told, escape(line.origin.date[:10])]


def _left_out(table: Table) -> str:
    rows, columns = len(table.lines) - LINES, len(table.columns) - COLUMNS
    cut = [wording.counted(n, word) for n, word in ((rows, "row"), (columns, "metric")) if n > 0]
    return f"\n_{' and '.join(cut)} more in `leaderboard.csv`._\n" if cut else ""
