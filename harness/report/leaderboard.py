"""A leaderboard as Markdown, CSV and JSON, and the texts, figures and links that are the same on its page."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.compare import Difference, Finding, wording
from harness.compare.sample import Figure
from harness.compare.wording import clean
from harness.formats.strict_json import canonical
from harness.leaderboard import Board, Column, Line, Origin, Ranks, Table
from harness.report.markdown import escape, table_row


@dataclass(frozen=True)
class Places:
    """Link targets, relative to the folder that the leaderboard is written to."""

    folder: Path

    def link(self, origin: Origin) -> str:
        """Return a relative URL of a run's report, or of its record if it has none; empty for published rows."""
        if origin.path is None:
            return ""
        inside = [origin.path / name for name in ("report.html", "report.md", "run.json")]
        target = next((p for p in inside if p.is_file()), origin.path)
        return quote(Path(os.path.relpath(target.resolve(), self.folder.resolve())).as_posix())


SHORT = 24
"""Maximum number of characters of a condition. Longer ones, such as digests, are only in the protocol."""
NAMED = 4
"""Maximum number of fields named if two protocols differ; the JSON file has all."""


def summary(board: Board) -> str:
    """Return the text above the first table."""
    ours = [t for t in board.tables if t.kind == "runs"]
    lines = [line for t in ours for line in t.lines]
    runs = len({line.origin.run for line in lines})
    told = (
        f"{wording.counted(len(lines), 'row')} of {wording.counted(runs, 'run')} in "
        f"{wording.counted(len(ours), 'table')}"
    )
    return f"{told}. Rows are compared within a table only: its figures were measured alike, those of two were not."


def heading(table: Table, number: int) -> str:
    """Return the heading of a table, such as ``"1. smoke/schedulers"``."""
    return f"{number}. {table.title}"


def explained(table: Table, number: int) -> str:
    """Explain a table of runs: its order, what is compared, and how it differs from the next table."""
    said = []
    if table.columns:
        said.append(f"Best first by {table.columns[0].name} ({table.columns[0].better} is better).")
    telling = {name: v for name, v in table.conditions.items() if len(canonical(v)) <= SHORT}
    if telling:
        said.append(f"Measured with {wording.point(telling)}.")
    if table.compared:
        said.append(f"What is compared: {', '.join(table.compared)}.")
    if table.apart:
        fields = sorted(table.apart, key=_telling)
        said.append(f"Not comparable with table {number + 1}: {_fields(fields)}.")
    return " ".join(said)


def published_as(table: Table) -> list[str]:
    """Return the source of a published table and what is known of its protocol, one sentence each."""
    protocol = "; ".join(f"{name}: {value}" for name, value in table.protocol.items())
    doubts = dict.fromkeys(line.note for line in table.lines if line.note)
    parts = [
        table.about.rstrip("."),
        f"Source: {table.source}",
        f"Protocol: {protocol}",
        *map(_upper, doubts),
    ]
    return [f"{p}." for p in parts if p]


def ranks(of: Ranks | None) -> str:
    """Return ranks as ``"2"`` or ``"1–3"``; empty if there are none."""
    if of is None:
        return ""
    return str(of.best) if of.best == of.worst else f"{of.best}–{of.worst}"


def scale(table: Table, column: int) -> float:
    """Return the magnitude that gets three digits in a column."""
    means = [abs(f.mean) for line in table.lines if (f := line.figures[column]) is not None]
    return max((m for m in means if math.isfinite(m)), default=0.0)


def mean(figure: Figure | None, table: Table, magnitude: float) -> str:
    """Return the text of a column's figure; published figures keep their printed digits."""
    if figure is None:
        return "–"
    if table.kind == "published":
        return f"{figure.mean:.10g}"
    return wording.together([figure.mean], scale=magnitude)[0]


def interval(figure: Figure | None, magnitude: float) -> str:
    """Return the interval as ``"[0.49, 0.92]"``; empty if there is none."""
    if figure is None or figure.low is None or figure.high is None or figure.low == figure.high:
        return ""
    low, high = (wording.together([v], scale=magnitude)[0] for v in (figure.low, figure.high))
    return f"[{low}, {high}]"


def column_name(column: Column) -> str:
    """Return the column's name with an arrow for the better direction."""
    return f"{column.name} {'↓' if column.better == 'lower' else '↑'}"


def change(finding: Finding | None) -> tuple[str, str]:
    """Return the change from the named line with its interval, and the verdict; empty if there is none."""
    if finding is None:
        return "", ""
    if finding.estimate is None:
        return "–", finding.reason
    told = wording.figures(finding)
    return f"{told.change} {told.interval}".strip(), "" if finding.verdict is None else str(finding.verdict)


def origin(line: Line) -> str:
    """Return the origin of a line: ``"baseline smoke/land-cover/cpu"`` or a run's id."""
    named = line.origin
    return f"baseline {named.suite}/{named.label}" if named.label else named.run


def repeats(table: Table) -> str:
    """Return the basis of the intervals: ``"3 seeds"``, ``"3 to 5 seeds"``; empty if nothing was repeated."""
    seen = [f for line in table.lines for f in line.figures[:1] if f is not None and f.unit != "one"]
    counts = sorted({f.repeats for f in seen})
    if not counts:
        return ""
    unit = seen[0].unit
    return (
        wording.counted(counts[0], unit[:-1]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]:,} {unit}"
    )


def _fields(fields: Sequence[Difference]) -> str:
    return wording.listed([wording.clean(str(d), most=120) for d in fields], NAMED)


def _telling(difference: Difference) -> tuple[bool, int]:
    """Sort key: changed values come before fields of one side only, short values before digests."""
    return None in (difference.baseline, difference.candidate), len(str(difference))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


LINES, COLUMNS, TABLES = 100, 12, 40
"""Maximum number of lines, columns and tables in Markdown; ``leaderboard.csv`` and ``leaderboard.json`` have all."""


def to_markdown(board: Board, places: Places) -> str:
    """Render the board with escaped cells.

    Args:
        board: board to show.
        places: link targets of the lines.
    """
    ours = [t for t in board.tables if t.kind == "runs"]
    theirs = [t for t in board.tables if t.kind == "published"]
    parts = [f"# Leaderboard\n\n{escape(summary(board))}\n"]
    parts += [f"\n* {escape(note)}" for note in board.notes]
    for number, table in enumerate(ours[:TABLES], 1):
        parts.append(f"\n\n## {escape(heading(table, number))}\n\n")
        parts.append(escape(f"{explained(table, number)} {table.method}".strip(), most=2000) + "\n\n")
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
        parts.append(f"\n### {escape(table.title)}\n\n{escape(' '.join(published_as(table)), most=2000)}\n\n")
        parts.append(_tabled(table, places))
    return "".join(parts)


def _tabled(table: Table, places: Places) -> str:
    columns = table.columns[:COLUMNS]
    scales = [scale(table, n) for n in range(len(columns))]
    ours, ranked = table.kind == "runs", any(line.ranks for line in table.lines)
    heads = ["row", *(["rank"] if ranked else []), *(column_name(c) for c in columns)]
    heads += ["from", "date"] if ours else []
    rows = []
    for line in table.lines[:LINES]:
        told = [
            f"{mean(f, table, m)} {interval(f, m)}".strip()
            for f, m in zip(line.figures, scales, strict=False)
        ]
        name = line.name + (f" ({line.note})" if line.note and ours else "")
        cells = [escape(name), *([ranks(line.ranks)] if ranked else []), *map(escape, told)]
        rows.append([*cells, *(_from(line, places) if ours else [])])
    return _table(heads, rows, leads=ours) + _left_out(table)


def _paired(table: Table) -> str:
    columns = table.columns[:COLUMNS]
    rows = []
    for line in table.lines[:LINES]:
        if line.key != table.reference:
            told = (" ".join(filter(None, change(f))) for f in line.paired[: len(columns)])
            rows.append([escape(line.name), *map(escape, told)])
    return _table(["row", *(column_name(c) for c in columns)], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, leads: bool = False) -> str:
    marks = [":--"] + ["--:"] * (len(heads) - 1)
    if leads:
        marks[-2:] = [":--", ":--"]
    return table_row(map(escape, heads)) + table_row(marks) + "".join(map(table_row, rows))


def _from(line: Line, places: Places) -> list[str]:
    link = places.link(line.origin)
    told = escape(origin(line))
    return [f"[{told}]({link})" if link else told, escape(line.origin.date[:10])]


def _left_out(table: Table) -> str:
    rows, columns = len(table.lines) - LINES, len(table.columns) - COLUMNS
    cut = [wording.counted(n, word) for n, word in ((rows, "row"), (columns, "metric")) if n > 0]
    return f"\n_{' and '.join(cut)} more in `leaderboard.csv`._\n" if cut else ""


SCHEMA = "harness.leaderboard/1"

FIELDS = (
    "table", "kind", "title", "row", "key", "rank_best", "rank_worst", "metric", "better", "value", "low", "high",
    "repeats", "unit", "change", "change_low", "change_high", "verdict", "run", "suite", "label", "date", "note",
)  # fmt: skip


def to_csv(board: Board) -> str:
    """Return CSV in long form, for data frames: numbers in full precision, missing values empty.

    Texts are on one line; an apostrophe is put before a text that a spreadsheet would take for a formula.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    for number, table in enumerate(board.tables, 1):
        for line in table.lines:
            for n in range(len(table.columns)):
                writer.writerow(_cells(number, table, line, n))
    return out.getvalue()


def _cells(number: int, table: Table, line: Line, n: int) -> dict[str, object]:
    column, figure = table.columns[n], line.figures[n]
    finding = line.paired[n] if line.paired else None
    estimate = finding.estimate if finding else None
    texts = {
        "title": table.title,
        "row": line.name,
        "key": line.key,
        "metric": column.name,
        "run": line.origin.run,
        "suite": line.origin.suite,
        "label": line.origin.label,
        "note": line.note,
    }
    return {
        **{name: _inert(text) for name, text in texts.items()},
        "table": number,
        "kind": table.kind,
        "rank_best": line.ranks.best if line.ranks else "",
        "rank_worst": line.ranks.worst if line.ranks else "",
        "better": column.better,
        **({"value": figure.mean, "repeats": figure.repeats, "unit": figure.unit} if figure else {}),
        **({"low": figure.low, "high": figure.high} if figure else {}),
        **(
            {"change": estimate.change, "change_low": estimate.low, "change_high": estimate.high}
            if estimate
            else {}
        ),
        "verdict": finding.verdict if finding else "",
        "date": line.origin.date,
    }


def _inert(text: str) -> str:
    text = clean(text)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def to_json(board: Board, places: Places) -> str:
    """Return everything as JSON, with the schema's name; it contains no NaN or infinity."""
    return json.dumps(to_document(board, places), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_document(board: Board, places: Places) -> dict[str, Any]:
    """Return everything, JSON-safe."""
    body: dict[str, Any] = {"schema": SCHEMA, **asdict(board)}
    for table, written in zip(board.tables, body["tables"], strict=True):
        for column, name in zip(written["columns"], table.columns, strict=True):
            column["name"] = name.name
        for line, told in zip(table.lines, written["lines"], strict=True):
            told["origin"]["path"] = places.link(line.origin)
            told["ranks"] = line.ranks._asdict() if line.ranks else None
    return body
