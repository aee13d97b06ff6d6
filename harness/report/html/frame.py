"""The frame of every page: turns sections of plain data into one self-contained HTML file of limited size.

Style and script are part of the page; pictures are data URIs or files next to it. A content security policy in the
page's head forbids it to load anything else and to run any other script, whatever a caption contains.
"""

from __future__ import annotations

import base64
import binascii
import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.compare.wording import clean
from harness.report.html.parts import Block, Cell, Chart, Listing, Section, Strip, Table, Thumbnail

TEXT_BYTES = 290_000
"""Size limit of a page without its pictures, in bytes."""

PICTURE_BYTES = 4_600_000
"""Size limit of the encoded pictures inside a page, in bytes."""

CELL_BYTES = 24
"""Average size of the markup around the text of a cell, in bytes."""

LEAST_ROWS = 5
"""Minimum number of rows that a table keeps, however many tables there are."""

SUFFIXES = {
    "image/webp": "webp",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/svg+xml": "svg",
}


def shorten(sections: Sequence[Section], most: int = TEXT_BYTES) -> list[Section]:
    """Cut the tables of the sections so that the page fits.

    Every table is limited to the same number of rows, the largest at which all tables fit together. So only long
    tables are cut, and short ones stay whole.
    """
    tables = [t for s in sections for t in _tables(s)]
    rest = sum(_weight_of_rest(b) for s in sections for b in s.blocks)
    weights = [[_row_weight(row) for row in t.rows] for t in tables]
    longest = max((len(w) for w in weights), default=0)
    low, high = LEAST_ROWS, max(longest, LEAST_ROWS)
    while low < high:
        middle = (low + high + 1) // 2
        if rest + sum(sum(w[:middle]) for w in weights) <= most:
            low = middle
        else:
            high = middle - 1
    return [_with_tables(s, lambda t: _cut(t, low)) for s in sections]


def move_pictures(
    sections: Sequence[Section], folder: str, most: int = PICTURE_BYTES
) -> tuple[list[Section], dict[str, bytes]]:
    """Move the pictures that do not fit out of the page, in the order of the sections.

    Returns:
        The sections, and the files for ``folder``, which is next to the page: name → content.
    """
    beside: dict[str, bytes] = {}
    left = most

    def place(picture: Thumbnail) -> Thumbnail:
        nonlocal left
        if not picture.source.startswith("data:"):
            return picture
        left -= len(picture.source)
        found = _decoded(picture.source) if left < 0 else None
        if found is None:
            return picture
        left += len(picture.source)
        content, suffix = found
        name = f"{sha256(content).hexdigest()[:16]}.{suffix}"
        beside[name] = content
        return replace(picture, source=f"{folder}/{name}")

    return [_with_pictures(s, place) for s in sections], beside


def _decoded(source: str) -> tuple[bytes, str] | None:
    """Return content and suffix of a base64 data URI; None if it is not one of our pictures."""
    head, _, body = source.removeprefix("data:").partition(",")
    kind, _, encoding = head.partition(";")
    if encoding != "base64" or kind not in SUFFIXES:
        return None
    try:
        return base64.b64decode(body, validate=True), SUFFIXES[kind]
    except binascii.Error:
        return None


def _tables(section: Section) -> list[Table]:
    inside = [b.table if isinstance(b, Chart) else b for b in section.blocks]
    return [b for b in inside if isinstance(b, Table)]


def _with_tables(section: Section, change: Callable[[Table], Table]) -> Section:
    def changed(block: Block) -> Block:
        if isinstance(block, Chart):
            return replace(block, table=change(block.table))
        return change(block) if isinstance(block, Table) else block

    return replace(section, blocks=tuple(map(changed, section.blocks)))


def _with_pictures(section: Section, place: Callable[[Thumbnail], Thumbnail]) -> Section:
    def in_cell(cell: Cell) -> Cell:
        return cell if cell.picture is None else replace(cell, picture=place(cell.picture))

    def in_table(table: Table) -> Table:
        return replace(table, rows=tuple(tuple(map(in_cell, row)) for row in table.rows))

    def in_strip(block: Block) -> Block:
        if not isinstance(block, Strip):
            return block
        rows = tuple(tuple(p and place(p) for p in row) for row in block.rows)
        return replace(block, rows=rows)

    section = _with_tables(section, in_table)
    return replace(section, blocks=tuple(map(in_strip, section.blocks)))


def _cut(table: Table, rows: int) -> Table:
    cut = len(table.rows) - rows
    return table if cut <= 0 else replace(table, rows=table.rows[:rows], left_out=table.left_out + cut)


def _row_weight(row: Sequence[Cell]) -> int:
    """Estimate the bytes of a row in the page, without its pictures."""
    breaks = len("<wbr>") * sum(c.text.count(".") for c in row[:1])
    return 10 + breaks + sum(CELL_BYTES + _weight(c.text) + _weight(c.note) for c in row)


def _weight(text: str) -> int:
    """Return the bytes of a text as shown, escaped and cut."""
    return len(escape(text[:LONGEST_TEXT]).encode(errors="backslashreplace"))


def _weight_of_rest(block: Block) -> int:
    """Estimate the bytes of a block, without the rows of its table and without pictures."""
    match block:
        case Chart():
            return 400 + len(block.svg.encode(errors="backslashreplace")) + len(block.caption.encode())
        case Strip():
            cells = [p for row in block.rows for p in row if p]
            words = (*block.heads, *block.labels, *(w for p in cells for w in (p.alt, p.label, p.note)))
            return 400 + 60 * len(cells) + sum(map(_weight, words))
        case Table():
            return 300 + sum(len(c.encode(errors="backslashreplace")) for c in block.columns)
        case _:
            return 100 + sum(len(escape(line).encode(errors="backslashreplace")) + 9 for line in block.lines)


MARKS = {
    "regressed": "✗",
    "incomparable": "≠",
    "inconclusive": "?",
    "unchanged": "=",
    "improved": "✓",
    "proposed": "»",
}
"""Tone → symbol shown next to its word, so that nothing depends on colour alone."""

LONGEST_TEXT = 1_000
"""Maximum number of characters shown of one text: captions can be very long."""

LONGEST_LISTING = 20_000
"""Maximum number of characters of a log or of commands."""


def page(title: str, sections: Sequence[Section], *, top: Markup, tab: str = "") -> str:
    """Render one HTML document that opens from disk.

    Args:
        title: heading of the page.
        sections: sections in page order; the page's navigation links to their anchors.
        top: markup between the heading and the first section.
        tab: title in the browser's tab; by default ``title``.
    """
    anchors = [s.anchor for s in sections]
    assert len(set(anchors)) == len(anchors), f"an anchor twice: {anchors}"
    script = _source("page.js")
    document = templates().get_template("page.html.jinja")
    return document.render(
        title=title,
        tab=tab or title,
        sections=sections,
        top=top,
        style=Markup(stylesheet()),
        script=Markup(script),
        policy=_policy(script),
    )


def fragment(template: str, **values: Any) -> Markup:
    """Render a part of a page from one of our templates, with text escaped."""
    return Markup(templates().get_template(template).render(**values))


def stylesheet() -> str:
    """Return the CSS of every page; it defines the colour variables that charts use."""
    return _source("style.css")


@cache
def templates() -> Environment:
    """Return the environment of our templates. It escapes text and removes what would reorder or break the page."""
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_cleaned,
    )
    environment.filters |= {
        "dotted": _dotted,
        "image_source": _image_source,
        "isolated": _isolated,
        "preformatted": _preformatted,
        "sort_key": _sort_key,
    }
    environment.tests |= {kind.__name__.lower(): _is(kind) for kind in (Chart, Table, Strip, Listing)}
    environment.globals |= {"MARKS": MARKS}
    return environment


@cache
def _source(name: str) -> str:
    loader = templates().loader
    assert loader is not None
    return loader.get_source(templates(), name)[0]


def _policy(script: str) -> str:
    """Return the content security policy. It allows inline styles, which are harmless if nothing can be loaded."""
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data: 'self' file:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _cleaned(value: Any) -> Any:
    return clean(value, lines=True, most=LONGEST_TEXT) if type(value) is str else value


def _isolated(text: str) -> str | Markup:
    """Isolate right-to-left text, so that it does not reorder the numbers next to it."""
    if text.isascii() or not any(unicodedata.bidirectional(c) in ("R", "AL") for c in text):
        return text
    return Markup("<bdi>{}</bdi>").format(escape(_cleaned(text)))


def _dotted(name: str) -> Markup:
    """Allow line breaks after the dots of a name."""
    return Markup(".<wbr>").join(map(_isolated, _cleaned(name).split(".")))


def _preformatted(lines: Sequence[str]) -> Markup:
    return escape(clean("\n".join(lines), lines=True, most=LONGEST_LISTING))


def _image_source(source: str) -> Markup:
    """Return the source as is. It is not cleaned like text, since it may be long and is our own."""
    return escape(source)


def _sort_key(cell: Cell) -> str:
    """Return the sort key for the script; empty if the cell has no number."""
    if cell.sort is None or math.isnan(cell.sort):
        return ""
    return f"{cell.sort:.12g}" if math.isfinite(cell.sort) else ("1e999" if cell.sort > 0 else "-1e999")


def _is(kind: type[Block]) -> Any:
    return lambda value: isinstance(value, kind)
