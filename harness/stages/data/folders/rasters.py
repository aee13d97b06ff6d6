"""GeoTIFFs in one folder per class: three named bands, scaled to 8 bits. GDAL may read only the file it is given.

A raster may be a text that refers to other files or addresses (such as a VRT), whatever its suffix. So may a mask
next to it. What they refer to is not in any content digest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.artifact import LabelledImages
from harness.errors import StageError, nearest
from harness.formats.image_folder import Writer
from harness.formats.pixels import Decoder, Resize, Scale, to_8_bit
from harness.sources.hub import Source
from harness.stage import Count, Job, Reading, stage
from harness.stages.data.folders.labels import class_facts, class_folders, png_names

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
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
        if suffix in (".tif", ".tiff") and not head.startswith(_TIFF):
            raise StageError(f"{file}: no TIFF, whatever its name says")
        if suffix == ".vrt" or any(mark in head for mark in _REFERRING):
            raise StageError(f"{file}: refers to other files, which are not part of the source")


SUFFIXES = frozenset({".tif", ".tiff"})


@stage(version=1, software=("rasterio", "pillow"))
def geotiff(
    *,
    source: Source,
    bands: Reading[tuple[str, str, str]],
    scale: Reading[Scale],
    order: Reading[tuple[str, ...] | None] = None,
    size: Reading[Count | None] = None,
    resize: Reading[Resize] = "bicubic",
    job: Job,
) -> LabelledImages:
    """GeoTIFFs in one folder per class, as 8-bit RGB. Classes are in alphabetical order.

    Pixels where one of the bands has no data are black. Their number is in the facts, and so is the number of
    values outside ``scale``, which are clipped. Only the file itself is read: masks, statistics and world files next
    to it (``.msk``, ``.aux.xml``, ``.tfw``) are ignored. Another format with the suffix ``.tif``, such as a VRT that
    refers to other files, is an error.

    Args:
        source: the folder.
        bands: the names of the bands that become red, green and blue.
        scale: the values that become 0 and 255; values outside are clipped.
        order: the names of the files' bands, in the files' order; null if the files name their bands.
        size: crop to the central square and resize to this width and height; null keeps images as they are.
        resize: the resize filter, antialiased.

    Raises:
        StageError: a damaged file, a band of no such name, an image without any data, one class only.
    """
    sizer, seen = Decoder(scale, size, resize), Counter[str]()
    root, folder = source.path, job.folder()
    rows, classes, unread = class_folders(root, SUFFIXES)
    facts = class_facts(Counter(name for name, _ in rows.values()), classes, root)
    names = png_names(rows)
    with Writer(folder) as out:
        for name, (class_name, path) in rows.items():
            values, mask = _read(path, bands, order)
            seen["images with no-data pixels"] += bool(mask.any())
            seen["no-data pixels"] += int(mask.sum())
            outside = ((values < scale[0]) | (values > scale[1])) & ~mask
            seen["clipped values"] += int(outside.sum())
            pixels = to_8_bit(values, scale)
            pixels[:, mask] = 0
            out.add(sizer.sized(pixels.transpose(1, 2, 0)), names[name], label=class_name)
            job.progress(out.count, len(rows), "images")
    return LabelledImages(
        folder, {**facts, **seen, "converted": dict(sizer.converted), "unread": dict(unread)}
    )


def _read(path: Path, bands: tuple[str, str, str], order: tuple[str, ...] | None) -> tuple[Any, Any]:
    """Values of three bands, (3, H, W) float64, and a mask of pixels where one of them has no data, (H, W) bool."""
    import numpy as np
    import rasterio

    try:
        with alone(), rasterio.open(path, driver="GTiff") as file:
            indices = _indices(path, file, bands, order)
            values = file.read(indices, masked=True)
    except rasterio.errors.RasterioError as e:
        raise StageError(f"{path}: not a readable raster ({e})") from None
    if np.iscomplexobj(values):
        raise StageError(f"{path}: complex numbers, not reflectances or counts")
    numbers = values.data.astype(np.float64)
    mask = (np.ma.getmaskarray(values) | ~np.isfinite(numbers)).any(axis=0)
    if mask.all():
        raise StageError(f"{path}: no pixel has data in all of {', '.join(bands)}")
    return numbers, mask


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
