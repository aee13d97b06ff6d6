"""The parts of a page: sections of charts, tables, pictures and text. The templates turn them into HTML.

Everything here is plain data. The templates escape all text. Only ``Chart.svg`` is markup, and only charts create it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

Tone = Literal["", "regressed", "incomparable", "inconclusive", "unchanged", "improved", "quiet"]
"""Colour of a mark, as for a verdict; always shown together with its word."""
REFERENCE = "★"
"""Marker before the name of the reference point."""


@dataclass(frozen=True)
class Thumbnail:
    """A small picture, inside the page or in a file next to it."""

    source: str
    """A data URI, or a path relative to the page."""
    alt: str
    label: str = ""
    note: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    sort: float | None = None
    """Sort key in a numeric column; a column without numbers is sorted by its text."""
    tone: Tone = ""
    note: str = ""
    """A second, quieter line."""
    heat: float | None = None
    """0 to 1: how strongly the cell is tinted in a heat map; None: not at all."""
    picture: Thumbnail | None = None
    """Shown before the text."""
    link: str = ""
    """Link target of the text: a path relative to the page, percent-encoded."""


@dataclass(frozen=True)
class Table:
    """A table that readers can sort by its headings and, if it is long, filter."""

    caption: str
    """What the table shows; also used by screen readers."""
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    """Indices of the columns that are right-aligned and sorted by number."""
    left_out: int = 0
    """Number of rows that were cut to keep the page small; shown below the table."""
    whole: str = "run.json"
    """Name of the file that has all rows."""


@dataclass(frozen=True)
class Chart:
    """A drawing with the table of its data."""

    title: str
    svg: Markup
    caption: str
    """Axes, units and meaning of the marks, in one or two sentences."""
    table: Table


@dataclass(frozen=True)
class Strip:
    """Rows of pictures under common headings; pictures in one column are to be compared."""

    title: str
    caption: str
    heads: tuple[str, ...]
    """One heading per column; empty if the columns have no meaning of their own."""
    rows: tuple[tuple[Thumbnail | None, ...], ...]
    labels: tuple[str, ...] = ()
    """One label per row, such as a prompt or a class; empty if the rows have none."""


@dataclass(frozen=True)
class Listing:
    """Lines of text: reasons, failures, commands. ``preformatted`` ones keep their spaces (logs, commands)."""

    title: str
    lines: tuple[str, ...]
    preformatted: bool = False


Block = Chart | Table | Strip | Listing


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading and an anchor."""

    anchor: str
    """Link anchor: lower-case letters and hyphens, unique on the page."""
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""
    """One sentence above the blocks that explains how to read them."""
    folded: bool = False
    """Whether the section is collapsed at first."""
