"""What a TIFF says beside its pixels: its pictures, which way is up, no data, scale and offset.

Pillow and GDAL each read a part of it only. Their pictures agree because both readers of the harness ask here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from harness.errors import StageError
from harness.formats.turning import NORTH_UP, of_transform

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_NEW_SUBFILE, _SUBFILE, _ORIENTATION = 254, 255, 274
_PIXEL_SCALE, _MATRIX, _GDAL_METADATA, _GDAL_NODATA = 33550, 34264, 42112, 42113
_BITS, _PHOTOMETRIC, _COLOURS, _SAMPLE_FORMAT = 258, 262, 320, 339
_PALETTE = 3
_REDUCED, _MASK = 1, 4
_MOST = 4096
"""Largest number of directories that are followed; a damaged file may have them in a circle."""
_ITEM = re.compile(r"<Item\b([^>]*)>([^<]*)</Item>")
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Directory:
    """The tags of a TIFF that decide what its picture is."""

    pictures: int
    """Pictures in the file. Overviews (smaller copies of a picture) and masks are none."""
    has_mask: bool
    orientation: int
    """The tag of cameras and scanners, 1 to 8; 1 if there is none."""
    georeferenced: bool
    turn: int | None
    """The orientation that its georeference asks for, in the same code; None if the raster is at an angle."""
    units: tuple[tuple[float, float], ...]
    """Scale and offset of each band that has one."""
    nodata: float | None
    colours: tuple[int, ...]
    """Its colour table, if it is not tagged as a picture of such colours (GDAL writes some so): all reds, all greens,
    all blues, in 16 bits. Pillow does not look it up, GDAL does."""
    is_signed: bool
    """Whether its bytes have a sign, which Pillow does not know."""


def directory(content: IO[bytes]) -> Directory | None:
    """The tags of a TIFF; None if the file is no TIFF.

    Raises:
        OSError, ValueError, SyntaxError, TypeError, struct.error: damaged, as Pillow reports it.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    content.seek(0)
    head = content.read(8)
    if not head.startswith(MAGIC):
        return None
    is_big = head[2:4] in (b"+\0", b"\0+")  # BigTIFF
    if is_big:
        head += content.read(8)
    first: Mapping[int, Any] | None = None
    kinds: list[int] = []
    order: Any = "big" if head.startswith(b"MM") else "little"
    plain = b"MM\0*\0\0\0\0" if order == "big" else b"II*\0\0\0\0\0"
    place, seen = int.from_bytes(head[8:] if is_big else head[4:], order), set[int]()
    while place and place not in seen and len(seen) < _MOST:
        seen.add(place)
        found: Any = ImageFileDirectory_v2(plain)
        found._bigtiff = is_big  # Pillow (13) knows only those of little-endian machines
        content.seek(place)
        found.load(content)
        kinds.append(_kind(found))
        first = first if first is not None else found
        place = found.next
    if first is None:
        raise ValueError("no directory of tags")
    orientation = first.get(_ORIENTATION, 1)
    return Directory(
        pictures=1 + sum(kind == 0 for kind in kinds[1:]),
        has_mask=any(kind & _MASK for kind in kinds[1:]),
        orientation=orientation if orientation in range(1, 9) else 1,
        georeferenced=_MATRIX in first or _PIXEL_SCALE in first,
        turn=_turn(first.get(_MATRIX), first.get(_PIXEL_SCALE)),
        units=_units(first.get(_GDAL_METADATA)),
        nodata=_number(first.get(_GDAL_NODATA)),
        colours=() if first.get(_PHOTOMETRIC) == _PALETTE else tuple(first.get(_COLOURS, ())),
        is_signed=2 in first.get(_SAMPLE_FORMAT, ()) and 8 in first.get(_BITS, ()),
    )


def orientation(tags: Directory, where: object) -> int:
    """How a TIFF is stored, in EXIF's code: by its georeference if it has one, else by its tag.

    Raises:
        StageError: it is at an angle, or says two things.
    """
    if tags.turn is None:
        raise StageError(f"{where}: rows at an angle to north; warp it first, as gdalwarp does")
    if tags.georeferenced and tags.orientation not in (NORTH_UP, tags.turn):
        raise StageError(
            f"{where}: its orientation tag ({tags.orientation}) contradicts its georeference; remove one of them"
        )
    return tags.turn if tags.georeferenced else tags.orientation


def _kind(tags: Mapping[int, Any]) -> int:
    kind = tags.get(_NEW_SUBFILE, 0)
    if isinstance(kind, int) and kind & (_REDUCED | _MASK):
        return kind & (_REDUCED | _MASK)
    return _REDUCED if tags.get(_SUBFILE) == 2 else 0


def _turn(matrix: Sequence[float] | None, scale: Sequence[float] | None) -> int | None:
    """Of the 4 × 4 matrix that GDAL writes where rows do not go from north to south, or of the size of a pixel.

    A negative width mirrors the picture. The sign of a height says nothing: writers differ in it.
    """
    if matrix is not None and len(matrix) >= 8:
        return of_transform(matrix[0], matrix[1], matrix[4], matrix[5])
    if scale is not None and len(scale) >= 2 and scale[0] and scale[1]:
        return of_transform(scale[0], 0.0, 0.0, -abs(scale[1]))
    return NORTH_UP


def _units(metadata: object) -> tuple[tuple[float, float], ...]:
    bands: dict[str, dict[str, float]] = {}
    for attributes, value in _ITEM.findall(_text(metadata)):
        of = dict(_ATTRIBUTE.findall(attributes))
        if of.get("role") in ("scale", "offset") and (number := _number(value)) is not None:
            bands.setdefault(of.get("sample", "0"), {})[of["role"]] = number
    pairs = [(band.get("scale", 1.0), band.get("offset", 0.0)) for _, band in sorted(bands.items())]
    return tuple(pair for pair in pairs if pair != (1.0, 0.0))


def _number(value: object) -> float | None:
    try:
        return float(_text(value).strip("\0 "))
    except ValueError:
        return None


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""
