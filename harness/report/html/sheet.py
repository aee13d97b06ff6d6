"""A sheet of the pictures behind a verdict, as one PNG: for hosts that show pictures from an address, but no pages.

It has the items of the page's section of worst items, as far as the store has their pictures: the baseline's picture to
the left of the run's where they differ, and the values below.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence

from harness.report.html.context import Context
from harness.report.html.parts import Cell, Table, Thumbnail
from harness.report.html.sections.worst import worst

FILE = "pictures.png"
MOST = 8
"""Items on a sheet."""
SIDE, GAP, LINE = 128, 8, 14
COLUMNS = 4
"""Items side by side."""

_DATA = "data:image/"


def sheet(context: Context) -> bytes | None:
    """Draw the sheet; None if no gate rests on items that are pictures.

    Raises:
        OSError, StageError, StoreError, UsageError: evidence of the run cannot be read.
    """
    section = worst(context)
    tables = [block for block in section.blocks if isinstance(block, Table)] if section else []
    items = [item for table in tables for item in _items(table)][:MOST]
    return _drawn(items) if items else None


def _items(table: Table) -> Iterator[tuple[list[Thumbnail], str]]:
    """Yield the pictures of each row, and what is written below them."""
    for row in table.rows:
        pictures = [c.picture for c in row if c.picture is not None and c.picture.source.startswith(_DATA)]
        if pictures:
            yield pictures[:2], _told(row)


def _told(row: Sequence[Cell]) -> str:
    values = [cell.text for cell in row[1:3] if cell.text]
    return " -> ".join(values).encode("ascii", "replace").decode()  # the built-in font has no more


def _drawn(items: Sequence[tuple[list[Thumbnail], str]]) -> bytes:
    from PIL import Image, ImageDraw

    width = max(len(pictures) for pictures, _ in items) * (SIDE + GAP)
    columns = min(COLUMNS, len(items))
    rows = -(-len(items) // columns)
    page = Image.new("RGB", (columns * width + GAP, rows * (SIDE + LINE + GAP) + GAP), "white")
    pen = ImageDraw.Draw(page)
    for number, (pictures, told) in enumerate(items):
        left, top = GAP + number % columns * width, GAP + number // columns * (SIDE + LINE + GAP)
        for place, picture in enumerate(pictures):
            with Image.open(io.BytesIO(base64.b64decode(picture.source.partition(",")[2]))) as image:
                shown = image.convert("RGB")
            scale = SIDE / max(shown.size)
            size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
            page.paste(shown.resize(size, Image.Resampling.NEAREST), (left + place * (SIDE + GAP), top))
        pen.text((left, top + SIDE + 2), told[:40], fill="black")
    content = io.BytesIO()
    page.save(content, "PNG", optimize=True)
    return content.getvalue()
