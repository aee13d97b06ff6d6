"""GDAL kept to the file that it is given: no network, no files beside it, no file that refers to others.

A raster may be a text that names other files or addresses (a VRT, for one), whatever its suffix; a mask beside it
may be such a text too. What they name is in no content digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import StageError

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_REFERRING = (b"<VRTDataset", b"<GDAL_WMS", b"<WMS_Capabilities", b"<Capabilities")
_HEAD = 1024

_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # as if nothing lay beside the file
    "GDAL_PAM_ENABLED": "NO",  # no .aux.xml, read or written
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",  # no address is opened
    "GDAL_VRT_ENABLE_PYTHON": "NO",
}


@contextmanager
def alone() -> Iterator[None]:
    """Rasters that are opened inside are read without what lies beside them, and without a network."""
    import rasterio

    with rasterio.Env(**_SETTINGS):
        yield


def refuse_references(files: Iterable[Path]) -> None:
    """That none of the files is one that GDAL would read other files for.

    Raises:
        StageError: one is, or it ends in ``.tif`` or ``.tiff`` and is no TIFF.
    """
    for file in files:
        suffix = file.suffix.lower()
        with file.open("rb") as content:
            head = content.read(_HEAD)
        if suffix in (".tif", ".tiff") and not head.startswith(_TIFF):
            raise StageError(f"{file}: no TIFF, whatever its name says")
        if suffix == ".vrt" or any(mark in head for mark in _REFERRING):
            raise StageError(f"{file}: refers to other files, which are not part of the source")
