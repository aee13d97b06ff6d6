"""Three named bands of a raster, upright, with what the file says about their values.

GDAL may read only the file it is given. A raster may be a text that refers to other files or addresses (such as a VRT),
whatever its suffix. So may a mask next to it. What they refer to is not in any content digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import StageError, nearest
from harness.formats import tiff
from harness.formats.opening import Units, as_lines, check_size
from harness.formats.turning import NORTH_UP, of_transform, turned

_REFERRING = (b"<VRTDataset", b"<GDAL_WMS", b"<WMS_Capabilities", b"<Capabilities")
_HEAD = 1024

_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # do not look at other files in the folder
    "GDAL_PAM_ENABLED": "NO",  # do not read or write .aux.xml
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",  # do not open addresses
    "GDAL_VRT_ENABLE_PYTHON": "NO",
}


@contextmanager
def alone() -> Iterator[None]:
    """Rasters opened inside the block are read without neighbouring files and without a network."""
    import rasterio

    with rasterio.Env(**_SETTINGS):
        yield


def refuse_references(files: Iterable[Path]) -> None:
    """Check that no file makes GDAL read other files.

    Raises:
        StageError: a file refers to others, or ends in ``.tif`` or ``.tiff`` and is not a TIFF.
    """
    for file in files:
        suffix = file.suffix.lower()
        with file.open("rb") as content:
            head = content.read(_HEAD)
        if suffix in (".tif", ".tiff") and not head.startswith(tiff.MAGIC):
            raise StageError(f"{file}: no TIFF, whatever its name says")
        if suffix == ".vrt" or any(mark in head for mark in _REFERRING):
            raise StageError(f"{file}: refers to other files, which are not part of the source")


_TRANSPARENCY = frozenset({"", "a", "alpha", "mask", "transparency"})
"""Names of a band that is a mask, if the file's tags say that it is one."""


@dataclass(frozen=True)
class Raster:
    """Three bands of a file, upright."""

    values: Any
    """(3, H, W) float64, as stored; colours if it has a colour table."""
    mask: Any
    """Pixels where one of the bands has no data, (H, W) bool."""
    orientation: int
    units: Units
    """Scale and offset of each of the bands."""
    words: tuple[str, ...]
    """The name of the unit of each of the bands, such as ``K``; empty if the file names none."""
    has_colours: bool
    is_float: bool
    names: tuple[str, ...]
    """What the file calls its bands, all of them; empty if it does not say."""

    def scaled(self) -> Any:
        """The values by the file's own scale and offset."""
        import numpy as np

        scales, offsets = (np.array(column)[:, None, None] for column in zip(*self.units, strict=True))
        return self.values * scales + offsets


def read(path: Path, bands: tuple[str, str, str], order: tuple[str, ...] | None) -> Raster:
    """Read three bands.

    Args:
        path: the file.
        bands: their names.
        order: the names of all bands of the file; None if the file names them.

    Raises:
        StageError: a damaged file, several pictures, a band of no such name, complex numbers, no pixel with data, rows
            at an angle to north.
    """
    import numpy as np
    import rasterio

    with as_lines(path, "raster"), path.open("rb") as content:
        tags = tiff.directory(content)
    if tags is not None and tags.pictures > 1:
        raise StageError(f"{path}: {tags.pictures} pictures in one file; save each as a file of its own")
    try:
        with alone(), rasterio.open(path, driver="GTiff") as file:
            check_size(file.width, file.height, path)
            has_colours = _has_colours(path, file)
            indices = [1, 1, 1] if has_colours else _indices(path, file, bands, order)
            values, mask = file.read(indices), _mask(file, indices, order)
            colours = file.colormap(1) if has_colours else {}
            transform, every = file.transform, [i - 1 for i in indices]
            units = [(float(file.scales[i]), float(file.offsets[i])) for i in every]
            words = tuple(file.units[i] or "" for i in every)
            names = tuple(file.descriptions) if all(file.descriptions) else ()
    except rasterio.errors.RasterioError as e:
        raise StageError(f"{path}: not a readable raster ({e})") from None
    if np.iscomplexobj(values):
        raise StageError(f"{path}: complex numbers, not reflectances or counts")
    if not all(np.isfinite(pair).all() and pair[0] for pair in units):
        raise StageError(f"{path}: its own scale and offset are {units}, expected finite numbers")
    if has_colours:
        values, hidden = _looked_up(values[0], colours)
        mask |= hidden
    orientation = _orientation(path, transform, tags)
    numbers, is_float = values.astype(np.float64), values.dtype.kind == "f"
    mask |= ~np.isfinite(numbers).all(axis=0)
    if mask.all():
        raise StageError(f"{path}: no pixel has data in all of {', '.join(bands)}")
    numbers, mask = np.ascontiguousarray(turned(numbers, orientation)), turned(mask, orientation)
    return Raster(numbers, mask, orientation, units, words, has_colours, is_float, names)


def _orientation(path: Path, transform: Any, tags: tiff.Directory | None) -> int:
    found = of_transform(transform.a, transform.b, transform.d, transform.e)
    if found is None:
        raise StageError(f"{path}: rows at an angle to north; warp it first, as gdalwarp does")
    stored = tiff.orientation(tags, path) if tags is not None else NORTH_UP
    return stored if transform.is_identity else found


def _has_colours(path: Path, file: Any) -> bool:
    """Whether a raster's one band is an index into a table of colours."""
    from rasterio.enums import ColorInterp

    if ColorInterp.palette not in file.colorinterp:
        return False
    if file.count > 1:
        raise StageError(f"{path}: a colour table in a file of {file.count} bands; save its band as a file")
    return True


def _looked_up(indices: Any, colours: dict[int, tuple[int, int, int, int]]) -> tuple[Any, Any]:
    """Colours (3, H, W) of indices (H, W), and which are transparent or in no table."""
    import numpy as np

    table = np.zeros((max(int(indices.max()), *colours) + 1, 4), dtype=np.uint8)
    for index, colour in colours.items():
        table[index] = colour
    found = table[indices]
    return found[..., :3].transpose(2, 0, 1), found[..., 3] == 0


def _mask(file: Any, indices: Sequence[int], order: tuple[str, ...] | None) -> Any:
    """Pixels without data in one of the bands, (H, W) bool.

    Writers tag a fourth band of bytes as transparency unless they are told what it is. A band that has another name,
    from the suite or in the file, is data.
    """
    import numpy as np
    from rasterio.enums import ColorInterp, MaskFlags

    names = order if order is not None else [text or "" for text in file.descriptions]
    named = zip(names, file.colorinterp, strict=False)
    is_data = any(tag == ColorInterp.alpha and name.casefold() not in _TRANSPARENCY for name, tag in named)
    hidden = np.zeros((file.height, file.width), dtype=bool)
    for index in dict.fromkeys(indices):
        if not (is_data and MaskFlags.alpha in file.mask_flag_enums[index - 1]):
            hidden |= file.read_masks(index) == 0
    return hidden


def _indices(path: Path, file: Any, bands: tuple[str, str, str], order: tuple[str, ...] | None) -> list[int]:
    """The numbers of the named bands, from 1."""
    names = list(order) if order is not None else [d or "" for d in file.descriptions]
    if len(names) != file.count:
        raise StageError(f"{path}: {file.count} bands, but order names {len(names)}")
    if not any(names):
        raise StageError(f"{path}: its {file.count} bands have no names; list them: order: [B01, B02, …]")
    for band in bands:
        if names.count(band) != 1:
            which = "no band" if band not in names else "more than one band"
            raise StageError(f"{path}: {which} {band!r} among {', '.join(names)}{nearest(band, names)}")
    return [names.index(band) + 1 for band in bands]
