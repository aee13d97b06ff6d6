"""The leaderboard: the one table that HTML, Markdown, CSV and JSON are renderings of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.artifact import Json
from harness.compare.comparison import Difference, Finding
from harness.compare.values import Figure
from harness.leaderboard.ranks import Ranks


@dataclass(frozen=True)
class Column:
    """A field of a metric that has a direction."""

    metric: str
    field: str
    better: Literal["higher", "lower"]
    gated: bool = False

    @property
    def name(self) -> str:
        return f"{self.metric}.{self.field}" if self.field else self.metric


@dataclass(frozen=True)
class Origin:
    """Where a line comes from."""

    run: str
    """Id of the run; empty for what was published."""
    suite: str
    label: str
    """Of the baseline that it is; empty for a run that was not accepted."""
    date: str
    """When it was started (accepted, for a baseline): UTC, ISO 8601."""
    path: Path | None
    """The run's folder, the baseline's file; None for what was published."""


@dataclass(frozen=True)
class Line:
    """A row, ready to be shown."""

    key: str
    """What ``--paired`` calls it: the run's id, and the point where it has several."""
    name: str
    """In what it differs from the other lines of its group."""
    origin: Origin
    point: Mapping[str, Json]
    figures: tuple[Figure | None, ...]
    """Per column; None where the line has no value."""
    ranks: Ranks | None
    """None where it cannot be ranked: no value, or values that were published without repeats."""
    paired: tuple[Finding | None, ...] = ()
    """Per column its change from the line that was named; empty where none was."""
    note: str = ""
    """Why a value is missing, or what is doubtful about it."""


@dataclass(frozen=True)
class Table:
    """Lines that are comparable with one another, best first, and with no line of another table."""

    title: str
    kind: Literal["runs", "published"]
    columns: tuple[Column, ...]
    """The first one orders the lines."""
    lines: tuple[Line, ...]
    method: str
    """How the ranks were found, in a sentence; empty where there are none."""
    protocol: Mapping[str, Json]
    """All fields that its figures share; for what was published, what the source says."""
    conditions: Mapping[str, Json] = field(default_factory=dict)
    """What was observed while the first column was measured: the number of items above all."""
    compared: tuple[str, ...] = ()
    """The axes whose points are compared."""
    apart: tuple[Difference, ...] = ()
    """In what the protocol differs from that of the next table."""
    reference: str = ""
    """Key of the line that the others are paired with; empty where it is in another table."""
    about: str = ""
    source: str = ""
    """Of what was published."""


@dataclass(frozen=True)
class Board:
    """All tables, ours before the published ones."""

    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    """What was left out or put together, one line each."""
