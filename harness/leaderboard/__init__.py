"""Leaderboards: tables whose rows are comparable, and their ranks.

This module is a leaderboard's data, from which HTML, Markdown, CSV and JSON are rendered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from harness.artifact import Json
from harness.compare import Difference, Finding
from harness.compare.sample import Figure


@dataclass(frozen=True)
class Column:
    """A field of a metric; the field has a direction."""

    metric: str
    field: str
    better: Literal["higher", "lower"]
    gated: bool = False

    @property
    def name(self) -> str:
        return f"{self.metric}.{self.field}" if self.field else self.metric


class Ranks(NamedTuple):
    """The range of ranks that a row may have; 1 is best. Both ends are equal if the rank is certain."""

    best: int
    worst: int


@dataclass(frozen=True)
class Origin:
    """The origin of a line."""

    run: str
    """Id of the run; empty for published rows."""
    suite: str
    label: str
    """Label of the baseline; empty for a run that was not accepted."""
    date: str
    """Time when it was started (for a baseline: accepted), in UTC, ISO 8601."""
    path: Path | None
    """The run's folder or the baseline's file; None for published rows."""


@dataclass(frozen=True)
class Line:
    """A row, ready to be shown."""

    key: str
    """Its name for ``--paired``: the run's id, and the point if the run has several."""
    name: str
    """How it differs from the other lines of its group."""
    origin: Origin
    point: Mapping[str, Json]
    figures: tuple[Figure | None, ...]
    """Per column; None if the line has no value."""
    ranks: Ranks | None
    """None if it cannot be ranked: it has no value, or values that were published without repeats."""
    paired: tuple[Finding | None, ...] = ()
    """Per column its change from the ``--paired`` line; empty if there is none."""
    note: str = ""
    """Why a value is missing, or what is doubtful about it."""


@dataclass(frozen=True)
class Table:
    """Lines that are comparable with one another, best first, but not with lines of another table."""

    title: str
    kind: Literal["runs", "published"]
    columns: tuple[Column, ...]
    """The columns; the first one orders the lines."""
    lines: tuple[Line, ...]
    method: str
    """How the ranks were found, in a sentence; empty if there are none."""
    protocol: Mapping[str, Json]
    """All protocol fields that its figures share; for published tables, what the source states."""
    conditions: Mapping[str, Json] = field(default_factory=dict)
    """Conditions observed while the first column was measured, mainly the number of items."""
    compared: tuple[str, ...] = ()
    """The axes whose points are compared."""
    apart: tuple[Difference, ...] = ()
    """How the protocol differs from that of the next table."""
    reference: str = ""
    """Key of the line that the others are paired with; empty if it is in another table."""
    about: str = ""
    source: str = ""
    """Source of a published table."""
    data: tuple[str, ...] = ()
    """Data sets of the hub that a published table is about."""


@dataclass(frozen=True)
class Board:
    """All tables, with ours before the published ones."""

    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    """What was left out or merged, one line each."""
