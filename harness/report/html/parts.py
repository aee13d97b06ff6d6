"""The parts of a page: sections of charts, tables, pictures and text. The templates turn them into HTML.

Everything here is plain data. The templates escape all text. Only ``Chart.svg`` is markup, and only charts create it.
Pictures are small: WebP in data URIs. Those that do not fit into a page are moved to files later.
"""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup

from harness.formats.turning import camera_orientation, upright

if TYPE_CHECKING:
    from PIL import Image

Tone = Literal["", "regressed", "incomparable", "inconclusive", "unchanged", "improved", "proposed", "quiet"]
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


SIDE = 144
"""Side of a picture in a strip, in pixels."""
QUALITY = 80


def thumbnail(
    path: Path | None, alt: str, *, label: str = "", note: str = "", side: int = SIDE
) -> Thumbnail | None:
    """Reduce an image to the size in which it is shown. Small images are kept and shown enlarged.

    Equal pixels give equal bytes. 16-bit and floating-point greys are stretched from their darkest to their brightest
    pixel. Transparent areas become white.

    Args:
        path: path of the image; None if there is none.
        alt: alternative text.
        label: text below the image.
        note: less prominent text below the label.
        side: maximum pixels of the longer side; twice as many for a wide image.

    Returns:
        None if there is no image or it cannot be read.
    """
    from PIL import Image

    if path is None:
        return None
    try:
        # Pillow warns of large images and raises an error for those that are too large: ignore the warning.
        with (
            warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
            Image.open(path) as image,
        ):
            picture = upright(_reduced(image, side), camera_orientation(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    content = io.BytesIO()
    picture.save(content, "WEBP", quality=QUALITY, method=4, icc_profile="")
    source = f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"
    scale = max(_most(picture, side) // max(picture.size), 1)
    return Thumbnail(source, alt, label, note, picture.width * scale, picture.height * scale)


def _reduced(image: Image.Image, side: int) -> Image.Image:
    """Return the image as RGB, no larger than shown. If the format allows, it is also decoded no larger than needed."""
    from PIL import Image

    most = _most(image, side)
    image.draft("RGB", (2 * most, 2 * most))
    picture = _coloured(image)
    if max(picture.size) > most:
        picture.thumbnail((most, most), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def _most(image: Image.Image, side: int) -> int:
    """Return the maximum pixels of the longer side; doubled for a wide picture, which holds two side by side."""
    return 2 * side if image.width > 1.5 * image.height else side


def _coloured(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        real = image.convert("F")
        low, high = real.getextrema()
        assert isinstance(low, float)
        assert isinstance(high, float)
        scale = 255 / (high - low) if high > low else 0.0
        return real.point(lambda v: v * scale - low * scale).convert("L").convert("RGB")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image.convert("RGB")
