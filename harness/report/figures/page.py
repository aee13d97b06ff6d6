"""A light page to put images and lines of text on. The font is the one that plots have."""

from __future__ import annotations

import io
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.report.figures import style
from harness.report.figures.drawing import UnreadableImageError

if TYPE_CHECKING:
    from PIL import Image, ImageFont

PAPER, VOID = "#FFFFFF", "#F2F2F2"


class Type:
    """A size of text, and what it takes on a page.

    Args:
        size: of the font, in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.line = round(size * 4 / 3)
        """Distance of lines, in pixels."""

    def font(self, bold: bool = False) -> ImageFont.FreeTypeFont:
        return _font(self.size, bold)

    def cut(self, text: str, width: int, bold: bool = False) -> str:
        """As much of a text as one line takes; "…" ends what was cut."""
        measure = self.font(bold).getlength
        if measure(text) <= width:
            return text
        while text and measure(f"{text}…") > width:
            text = text[:-1]
        return f"{text.rstrip()}…"

    def wrapped(self, text: str, width: int, most: int) -> list[str]:
        """The words on at most so many lines; the last one ends in "…" where words are left."""
        measure = self.font().getlength
        lines: list[str] = []
        words = text.split()
        while words and len(lines) < most:
            taken = 1
            while taken < len(words) and measure(" ".join(words[: taken + 1])) <= width:
                taken += 1
            if len(lines) == most - 1:
                return [*lines, self.cut(" ".join(words), width)]
            lines.append(self.cut(" ".join(words[:taken]), width))
            words = words[taken:]
        return lines


class Page:
    """A page of a fixed size, in pixels, with text of one size."""

    def __init__(self, width: int, height: int, type_: Type) -> None:
        from PIL import Image, ImageDraw

        self._sheet = Image.new("RGB", (width, height), PAPER)
        self._pen = ImageDraw.Draw(self._sheet)
        self._type = type_

    def image(self, path: Path | None, x: int, y: int, width: int, height: int) -> None:
        """An image in the middle of a rectangle: pixels enlarged as they are, large images reduced.

        Raises:
            UnreadableImageError: what the path leads to cannot be read.
        """
        from PIL import Image

        self._pen.rectangle((x, y, x + width - 1, y + height - 1), fill=VOID)
        if path is None:
            return
        picture = _opened(path)
        scale = min(width / picture.width, height / picture.height)
        if scale >= 1:
            size = picture.width * int(scale), picture.height * int(scale)
            picture = picture.resize(size, Image.Resampling.NEAREST)
        else:
            size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        self._sheet.paste(picture, (x + (width - size[0]) // 2, y + (height - size[1]) // 2))

    def line(
        self,
        text: str,
        x: int,
        y: int,
        width: int,
        *,
        bold: bool = False,
        colour: str = style.INK,
        align: Literal["centre", "right", "left"] = "centre",
    ) -> None:
        """One line, cut visibly where it is wider than ``width``."""
        font = self._type.font(bold)
        text = self._type.cut(text, width, bold)
        room = width - font.getlength(text)
        self._pen.text((x + room * {"left": 0.0, "centre": 0.5, "right": 1.0}[align], y), text, colour, font)

    def rule(self, x: int, y: int, width: int) -> None:
        self._pen.line((x, y, x + width - 1, y), fill=style.QUIET)

    def block(self, title: str, text: str, x: int, y: int, width: int, *, lines: int) -> None:
        """A title in bold, and below it as much of a text as fits into the other lines."""
        if title:
            self.line(title, x, y, width, bold=True, align="left")
            y, lines = y + self._type.line, lines - 1
        for i, one in enumerate(self._type.wrapped(text, width, lines)):
            self.line(one, x, y + i * self._type.line, width, align="left")

    def to_png(self) -> bytes:
        """Equal pages are equal bytes."""
        buffer = io.BytesIO()
        self._sheet.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()


def size_of(path: Path) -> tuple[int, int]:
    """Width and height.

    Raises:
        UnreadableImageError: no image.
    """
    picture = _opened(path)
    return picture.width, picture.height


def _opened(path: Path) -> Image.Image:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise UnreadableImageError(f"{path}: {e}") from None


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib; finding it does not import matplotlib."""
    from PIL import ImageFont

    found = find_spec("matplotlib")
    assert found is not None
    assert found.origin is not None
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / name, size)
