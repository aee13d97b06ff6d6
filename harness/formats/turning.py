"""Which way is up: pictures of cameras and rasters as they are meant to be seen. One rule for every reader.

Cameras store rows as the sensor has them and name the orientation (EXIF, 1 to 8). Rasters may be stored from south to
north, or on their side; their transform tells. Both are turned by whole quarter turns and mirrored, without resampling.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

NORTH_UP = 1
"""The orientation in which nothing is to be done, in EXIF's code."""
_ORIENTATION = 0x0112
_SLIGHT = 1e-3
"""A raster whose rows lean by less than this (one pixel in a thousand) is not at an angle."""

# Orientation → whether the axes are swapped first, then whether rows and columns are reversed.
_STEPS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def turned(values: Any, orientation: int) -> Any:
    """An array with shape (…, H, W), upright."""
    swap, rows, columns = _STEPS[orientation]
    values = values.swapaxes(-1, -2) if swap else values
    return values[..., :: -1 if rows else 1, :: -1 if columns else 1]


def of_transform(a: float, b: float, d: float, e: float) -> int | None:
    """The orientation of a raster with the transform x = a · column + b · row + c, y = d · column + e · row + f.

    Returns:
        EXIF's code; None if the raster is at an angle. An identity is no georeference: rows go down.
    """
    if (a, b, d, e) in ((1, 0, 0, 1), (0, 0, 0, 0)) or not all(map(math.isfinite, (a, b, d, e))):
        return NORTH_UP
    if max(abs(b), abs(d)) <= _SLIGHT * min(abs(a), abs(e)):
        wanted = (False, e > 0, a < 0)
    elif max(abs(a), abs(e)) <= _SLIGHT * min(abs(b), abs(d)):
        wanted = (True, d > 0, b < 0)
    else:
        return None
    return next(code for code, steps in _STEPS.items() if steps == wanted)


def camera_orientation(image: Image) -> int:
    """The orientation that the EXIF or XMP data of a picture names (JPEG, PNG, WebP); 1 if there is none.

    Of a TIFF it is 1: Pillow turns those itself when it loads them.
    """
    if image.format == "TIFF":
        return NORTH_UP
    try:
        found = image.getexif().get(_ORIENTATION, NORTH_UP)
    except (
        Exception
    ):  # what is damaged here are notes beside the picture, and Pillow has no one exception for that
        return NORTH_UP
    return found if found in _STEPS else NORTH_UP


def upright(image: Image, orientation: int | None = None) -> Image:
    """A picture as it is meant to be seen.

    Args:
        image: loaded or not.
        orientation: EXIF's code; None to ask the picture.
    """
    from PIL.Image import Transpose

    orientation = camera_orientation(image) if orientation is None else orientation
    methods = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image if orientation == NORTH_UP else image.transpose(methods[orientation])
