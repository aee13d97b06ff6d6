"""A leaderboard for programs: CSV with a line per row and metric, and JSON with everything."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from harness.compare.wording import clean
from harness.leaderboard.board import Board, Line, Table
from harness.report.leaderboard.words import Places

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
    body: dict[str, Any] = {"schema": SCHEMA, **asdict(board)}
    for table, written in zip(board.tables, body["tables"], strict=True):
        for column, name in zip(written["columns"], table.columns, strict=True):
            column["name"] = name.name
        for line, told in zip(table.lines, written["lines"], strict=True):
            told["origin"]["path"] = places.link(line.origin)
            told["ranks"] = line.ranks._asdict() if line.ranks else None
    return json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
