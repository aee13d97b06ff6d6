"""What tasks keep in their facts for reports: warnings, and loss curves.

Warnings are of stages whose tasks did not fail, such as prompts that were cut or rows that were left out. A stage lists
them as ``warnings``, a list of sentences. They are shown next to the verdict, also if the artifact came from the store.
A loss curve is the fact ``history``; it is thinned to what a plot can show.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.artifact import Json
from harness.compare import wording
from harness.formats.strict_json import canonical
from harness.store.record import Run, TaskInfo

WARNINGS = "warnings"
NAMED = 3
"""Maximum number of tasks named for one warning."""


class Warned(NamedTuple):
    """One warning, and the tasks that have it."""

    sentence: str
    tasks: Sequence[TaskInfo]

    @property
    def who(self) -> str:
        return wording.listed([wording.label(task) for task in self.tasks], NAMED)


def warned(run: Run) -> list[Warned]:
    """Return the warnings of a run, each once, in the order of its tasks."""
    found: dict[str, list[TaskInfo]] = {}
    for task in run.tasks:
        for name, value in task.facts.items():
            if name.rpartition(".")[2] == WARNINGS and isinstance(value, list | tuple):
                for sentence in value:
                    found.setdefault(str(sentence), []).append(task)
    return [Warned(sentence, tasks) for sentence, tasks in found.items()]


HISTORY = "history"
"""Name of the fact: a list of flat rows with ``epoch`` or ``step`` and columns whose names end in ``loss``."""

Row = Mapping[str, Json]


@dataclass(frozen=True)
class Training:
    """The history of one task."""

    point: str
    """Its point of the matrix, in words."""
    seeds: str
    rows: tuple[Row, ...]


def trainings(run: Run, most: int) -> dict[str, list[Training]]:
    """Return stage (and output, if named) → the trainings of its tasks that recorded their loss.

    Args:
        run: the record.
        most: maximum number of rows to keep of a training; rows with a column that most rows lack are kept in addition.
    """
    found: dict[str, list[Training]] = {}
    for task in run.tasks:
        for fact, value in task.facts.items():
            output, _, name = fact.rpartition(".")
            rows = _rows(value) if name == HISTORY else []
            if rows:
                stage = f"{task.node}.{output}" if output else task.node
                thinned = tuple(_thinned(rows, most))
                training = Training(wording.point(task.point), wording.point(task.seeds), thinned)
                found.setdefault(stage, []).append(training)
    return found


def losses(histories: Iterable[Sequence[Row]]) -> list[str]:
    """Return the loss columns that hold at least one number, training first."""
    names = dict.fromkeys(
        name
        for rows in histories
        for row in rows
        for name, value in row.items()
        if name.endswith("loss") and is_number(value)
    )
    return sorted(names, key=lambda name: not name.startswith("train"))


def clock(rows: Sequence[Row]) -> str:
    """Return the column for the x axis: ``step``, else ``epoch``; ``"row"`` if neither is a number in all rows."""
    return next((c for c in ("step", "epoch") if all(is_number(r.get(c)) for r in rows)), "row")


def series(rows: Sequence[Row], column: str, along: str) -> list[tuple[float, float]]:
    """Return a column's numbers, each with its value of ``along``; rows without a number are left out."""
    return [
        (_number(row.get(along), i), _number(row[column], 0))
        for i, row in enumerate(rows, 1)
        if is_number(row.get(column))
    ]


def is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def summary(value: Json) -> str:
    """Return the text that a table of facts shows in place of a history: its length and its columns."""
    rows = _rows(value)
    return f"{wording.counted(len(rows), 'row')}: {', '.join(rows[0])}" if rows else canonical(value)


def _number(value: Json, instead: float) -> float:
    return float(value) if isinstance(value, int | float) else float(instead)


def _rows(value: Json) -> list[Row]:
    rows = value if isinstance(value, list | tuple) else []
    kept = [row for row in rows if isinstance(row, Mapping)]
    return kept if losses([kept]) else []


def _thinned(rows: Sequence[Row], most: int) -> list[Row]:
    """Keep rows at even intervals, the last, and those with a column that most lack (occasional validation)."""
    every = math.ceil(len(rows) / most)
    rare = [n for n in losses([rows]) if sum(is_number(r.get(n)) for r in rows) * every <= len(rows)]
    return [
        row
        for i, row in enumerate(rows)
        if i % every == 0 or i == len(rows) - 1 or any(is_number(row.get(n)) for n in rare)
    ]
