"""Small pictures for a page: WebP in data URIs. Those that do not fit into a page are moved to files later."""

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
            picture = _reduced(image, side)
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
