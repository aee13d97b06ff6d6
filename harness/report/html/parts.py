"""What a page is made of: sections of charts, tables, pictures and text. The templates put them into HTML.

Everything here is plain data. Text is text: the templates escape it. Only ``Chart.svg`` is markup, and only
charts make it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

Tone = Literal["", "regressed", "incomparable", "inconclusive", "unchanged", "improved", "quiet"]
"""How something is marked: the colour of a verdict, always beside its word."""
REFERENCE = "★"
"""Before the name of the reference point."""


@dataclass(frozen=True)
class Thumbnail:
    """A small picture, inside the page or beside it."""

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
    """What a numeric column sorts by; a column sorts by its text where no cell has a number."""
    tone: Tone = ""
    note: str = ""
    """A second, quieter line."""
    heat: float | None = None
    """0 to 1: how strongly the cell is tinted in a heat map; None: not at all."""
    picture: Thumbnail | None = None
    """Shown before the text."""
    link: str = ""
    """Where the text leads: a path relative to the page, percent-encoded."""


@dataclass(frozen=True)
class Table:
    """A table that a reader can sort by its heads and, where it is long, filter."""

    caption: str
    """Says what the table shows, for screen readers, too."""
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    """Columns, by index, that are set right and sort by number."""
    left_out: int = 0
    """Rows that were cut to keep the page small; said below the table."""
    whole: str = "run.json"
    """The file that has all rows."""


@dataclass(frozen=True)
class Chart:
    """A drawing with the table behind it."""

    title: str
    svg: Markup
    caption: str
    """What is seen: axes, units, what the marks are, in one or two sentences."""
    table: Table


@dataclass(frozen=True)
class Strip:
    """Rows of pictures under common heads: what stands below one another is to be compared."""

    title: str
    caption: str
    heads: tuple[str, ...]
    """One per column; empty where the columns have no meaning of their own."""
    rows: tuple[tuple[Thumbnail | None, ...], ...]
    labels: tuple[str, ...] = ()
    """One per row: a prompt, a class; empty where the rows have none."""


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
    """Lower-case letters and hyphens, unique on the page."""
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""
    """One sentence above the blocks: how to read them."""
    folded: bool = False
    """Shown closed; a reader opens it."""
