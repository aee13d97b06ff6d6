"""Small pictures for a page: WebP in data URIs. What does not fit into a page is moved beside it afterwards."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.html.parts import Thumbnail

if TYPE_CHECKING:
    from PIL import Image

SIDE = 144
"""Of a picture in a strip, in pixels."""
QUALITY = 80


def thumbnail(
    path: Path | None, alt: str, *, label: str = "", note: str = "", side: int = SIDE
) -> Thumbnail | None:
    """An image, reduced to the size it is shown in; small ones stay as they are and are shown enlarged.

    Equal pixels are equal bytes. 16-bit and floating-point greys are stretched from their darkest to their
    brightest pixel, and what is transparent is white.

    Args:
        path: of the image; None where there is none.
        alt: what it shows, for those who do not see it.
        label: stands below it.
        note: stands below that, quieter.
        side: pixels that it may take on its longer side; twice as many where it is wide.

    Returns:
        None where there is no image or it cannot be read.
    """
    from PIL import Image

    if path is None:
        return None
    try:
        # What Pillow warns of is large, not too large: that is an error.
        with (
            warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
            Image.open(path) as image,
        ):
            picture = _reduced(image, side)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    content = io.BytesIO()
    picture.save(content, "WEBP", quality=QUALITY, method=4, icc_profile="")
    source = f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"
    scale = max(_most(picture, side) // max(picture.size), 1)
    return Thumbnail(source, alt, label, note, picture.width * scale, picture.height * scale)


def _reduced(image: Image.Image, side: int) -> Image.Image:
    """RGB, no larger than it is shown; decoded no larger than needed, where the format allows it."""
    from PIL import Image

    most = _most(image, side)
    image.draft("RGB", (2 * most, 2 * most))
    picture = _coloured(image)
    if max(picture.size) > most:
        picture.thumbnail((most, most), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def _most(image: Image.Image, side: int) -> int:
    """A picture that is wider than high holds two side by side."""
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
