"""Prints old and new values of the metrics that ``harness rescore`` recomputed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.compare.wording import clean, counted, point, together
from harness.store.record import Run, Score

ROWS = 200
"""Maximum number of rows; the rest is counted."""


def print_rescored(console: Console, before: Run, after: Run, metrics: Collection[str]) -> None:
    """Print a row per field and point of ``metrics``: mean over the repeats before and after, and the difference."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("metric", "point", "repeats", "old", "new", "difference"):
        table.add_column(name, justify="left" if name in ("metric", "point") else "right", overflow="fold")
    rows = list(_rows(before, after, metrics))
    for row in rows[:ROWS]:
        table.add_row(*(Text(clean(cell)) for cell in row))
    console.print(table)
    if len(rows) > ROWS:
        console.print(
            f"and {counted(len(rows) - ROWS, 'more row')}", markup=False, highlight=False, soft_wrap=True
        )


def _rows(before: Run, after: Run, metrics: Collection[str]) -> Iterator[Sequence[str]]:
    for old, new in zip(before.scores, after.scores, strict=True):
        if new.metric not in metrics:
            continue
        for field in dict.fromkeys((*before.metrics[old.metric].fields, *after.metrics[new.metric].fields)):
            left, right = _mean(old, field), _mean(new, field)
            repeats = str(len(new.repeats))
            if left is None or right is None:
                shown = together([v for v in (left, right) if v is not None])[0]
                sides = ("–", shown, "new field") if left is None else (shown, "–", "gone")
            else:
                was, now, moved = together([left, right, right - left])
                difference = "none" if right == left else f"+{moved}" if right > left else moved
                sides = (was, now, difference)
            yield (f"{new.metric}.{field}", point(new.point), repeats, *sides)


def _mean(score: Score, field: str) -> float | None:
    values = [r.values[field] for r in score.repeats if field in r.values]
    return sum(values) / len(values) if values else None
