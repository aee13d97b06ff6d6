"""Images as a reviewer gets them: equally large, equally encoded, without anything but pixels.

Whatever differs between a real and a generated file (its size, its format, what is written into it) would tell
which is which, so every image is decoded, brought to one size and encoded anew with the same parameters. The size
is the smallest among the images: a larger one is reduced, none is enlarged.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import UsageError

MOST = 512
"""Pixels on a side."""
LOSSLESS = 256
"""Up to this side images are encoded without loss: at 64 × 64 every pixel counts. WebP at 90 above."""


def encoded(files: Sequence[Path]) -> tuple[int, int, list[str]]:
    """Width, height, and the images as base64 of WebP, padded with blanks to one length.

    Raises:
        UsageError: a file that is missing or no image.
    """
    from PIL import Image, ImageOps

    sizes = [_size(file) for file in dict.fromkeys(files)]
    width, height = (min(MOST, *sides) for sides in zip(*sizes, strict=True))
    lossless = max(width, height) <= LOSSLESS
    texts = []
    for file, picture in _opened(files):
        try:
            fitted = ImageOps.fit(picture.convert("RGB"), (width, height), Image.Resampling.LANCZOS)
        except (OSError, SyntaxError) as e:
            raise UsageError(f"{file}: not an image ({e})") from None
        held = io.BytesIO()
        Image.frombytes("RGB", fitted.size, fitted.tobytes()).save(
            held, format="WEBP", lossless=lossless, quality=100 if lossless else 90, method=4
        )
        texts.append(base64.b64encode(held.getvalue()).decode())
    longest = max(map(len, texts))
    return width, height, [text.ljust(longest) for text in texts]


def _size(file: Path) -> tuple[int, int]:
    ((_, picture),) = _opened([file])
    width, height = picture.size
    return width, height


def _opened(files: Sequence[Path]) -> Iterator[tuple[Path, Any]]:
    from PIL import Image, UnidentifiedImageError

    for file in files:
        try:
            with Image.open(file) as picture:
                yield file, picture
        except FileNotFoundError:
            raise UsageError(f"{file}: missing; run the suite again, which makes it anew") from None
        except (UnidentifiedImageError, OSError, SyntaxError) as e:
            raise UsageError(f"{file}: not an image ({e})") from None
