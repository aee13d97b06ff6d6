"""Texts, figures and links of a leaderboard, the same on the page and in Markdown."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness.compare import wording
from harness.compare.comparison import Difference, Finding
from harness.compare.sample import Figure
from harness.formats.strict_json import canonical
from harness.leaderboard.board import Board, Column, Line, Origin, Table
from harness.leaderboard.ranks import Ranks


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
