"""GeoTIFFs of named bands in one folder per class, as 8-bit RGB."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.artifact import Json, LabelledImages
from harness.errors import StageError
from harness.formats.image_folder import Writer
from harness.formats.names import png_names
from harness.formats.pixels import Decoder, Resize, Scale, to_8_bit
from harness.formats.turning import NORTH_UP
from harness.sources.content import passed_over
from harness.sources.hub import Source
from harness.stage import Count, Job, Reading, stage
from harness.stages.data.folders.by_class import by_class
from harness.stages.data.folders.labels import class_facts
from harness.stages.data.folders.rasters import Raster, read

SUFFIXES = frozenset({".tif", ".tiff"})
_REFLECTANCE, _COUNTS = 2.0, 50.0
"""Floats of at most this, beside whole numbers that reach that, are of another unit."""


@stage(version=1, software=("rasterio", "pillow"))
def geotiff(
    *,
    source: Source,
    bands: Reading[tuple[str, str, str]],
    scale: Reading[Scale],
    order: Reading[tuple[str, ...] | None] = None,
    units: Reading[Literal["file", "raw"]] = "file",
    level: Reading[Count | None] = None,
    size: Reading[Count | None] = None,
    resize: Reading[Resize] = "bicubic",
    job: Job,
) -> LabelledImages:
    """GeoTIFFs in one folder per class, as 8-bit RGB. Classes are in alphabetical order.

    Pixels where one of the bands has no data are black. Their number is in the facts, and so is the number of
    values outside ``scale``, which are clipped. Rasters are turned so that north is up. Those with a colour table have
    colours, not bands: they are looked up. Only the file itself is read: masks, statistics and world files next
    to it (``.msk``, ``.aux.xml``, ``.tfw``) are ignored. Another format with the suffix ``.tif``, such as a VRT that
    refers to other files, is an error. docs/data.md has what is done with odd files.

    Args:
        source: the folder.
        bands: the names of the bands that become red, green and blue.
        scale: the values that become 0 and 255; values outside are clipped.
        order: the names of the files' bands, in the files' order; null if the files name their bands. A band that is
            named here is data, even if the file's tags call it transparency.
        units: ``file`` applies the scale and offset that the files have for their bands, ``raw`` takes numbers as
            they are stored.
        level: which folder on the way to an image is its class, 1 for the first. Null if images lie directly in their
            class's folder; ``train/`` and ``test/`` are no classes.
        size: crop to the central square and resize to this width and height; null keeps images as they are.
        resize: the resize filter, antialiased.

    Raises:
        StageError: a damaged file, a band of no such name, an image without any data, one class only, files of unlike
            units, rows at an angle to north, pictures that are all black or white.
    """
    sizer, seen, alike = Decoder(scale, size, resize), Counter[str](), _Alike(units == "raw", order)
    root, folder = source.path, job.folder()
    rows, classes, unread = by_class(source, SUFFIXES, level)
    facts = class_facts(Counter(name for name, _ in rows.values()), classes, root)
    names = png_names(rows)
    shades = set[int]()
    with Writer(folder) as out:
        for name, (class_name, path) in rows.items():
            raster = read(path, bands, order)
            alike.check(raster, path, sizer)
            values, mask = raster.values, raster.mask
            seen["images with no-data pixels"] += bool(mask.any())
            seen["no-data pixels"] += int(mask.sum())
            if raster.has_colours:
                pixels = to_8_bit(values, (0.0, 255.0))
            else:
                values = values if units == "raw" else raster.scaled()
                outside = ((values < scale[0]) | (values > scale[1])) & ~mask
                seen["clipped values"] += int(outside.sum())
                pixels = to_8_bit(values, scale)
            shades |= {int(pixels[:, ~mask].min()), int(pixels[:, ~mask].max())}
            pixels[:, mask] = 0
            sizer.count(
                {
                    "palette": raster.has_colours,
                    "turned": raster.orientation != NORTH_UP,
                    "scale and offset of the file": units == "file"
                    and any(u != (1, 0) for u in raster.units),
                }
            )
            out.add(sizer.sized(pixels.transpose(1, 2, 0)), names[name], label=class_name)
            job.progress(out.count, len(rows), "images")
    if shades in ({0}, {255}):
        applied = "scale and offset of the file" in sizer.converted
        raise StageError(
            f"{root}: every pixel becomes {shades.pop()} by scale: [{scale[0]:g}, {scale[1]:g}]; values of the last "
            f"file are {values.min():g} to {values.max():g}"
            + (" by its own scale and offset (units: raw takes them as stored)" if applied else "")
        )
    others: dict[str, Json] = {"unread": dict(unread), **passed_over(root)}
    if alike.renamed:
        others["warnings"] = [alike.renamed]
    return LabelledImages(folder, {**facts, **seen, "converted": dict(sizer.converted), **others})


@dataclass
class _Alike:
    """Checks that all files of a set have values of one kind and unit."""

    raw: bool
    order: tuple[str, ...] | None
    renamed: str = ""
    """A warning, if the files call their bands by the names of ``order`` in another order."""
    _first: dict[str, tuple[Any, Path]] = field(default_factory=dict)
    _extremes: dict[str, tuple[float, Path]] = field(default_factory=dict)

    def check(self, raster: Raster, path: Path, sizer: Decoder) -> None:
        """Compare a file with the ones before it.

        Raises:
            StageError: it has a colour table, a unit or a scale where the other has none; names both.
        """
        if self.order is not None and raster.names:
            self._same("the names of their bands", ", ".join(raster.names), path)
            own, given = ([name.casefold() for name in names] for names in (raster.names, self.order))
            if own != given and sorted(own) == sorted(given):
                self.renamed = (
                    f"the files call their bands {', '.join(raster.names)}; order is followed instead"
                )
        self._same("kind", "colour table" if raster.has_colours else "values", path)
        if any(raster.words):
            self._same("units", ", ".join(dict.fromkeys(raster.words)), path)
        if raster.has_colours:
            return
        if self.raw:
            pairs = [f"{scale:g} and {offset:g}" for scale, offset in raster.units]
            self._same("their own scale and offset", "; ".join(dict.fromkeys(pairs)), path)
        else:
            sizer.check_units(raster.units, path)
        self._check_sizes(raster, path)

    def _check_sizes(self, raster: Raster, path: Path) -> None:
        """Reflectances as floats beside counts as whole numbers, without a word about it in the files."""
        largest = float(raster.values.max(where=~raster.mask, initial=0))
        if raster.is_float and 0 < largest <= _REFLECTANCE:
            self._extremes.setdefault("floats", (largest, path))
        elif not raster.is_float and largest >= _COUNTS:
            self._extremes.setdefault("whole numbers", (largest, path))
        if len(self._extremes) == 2 and not any(scale != 1 for scale, _ in raster.units):
            (one, (high, first)), (other, (low, second)) = self._extremes.items()
            raise StageError(
                f"{first} has {one} up to {high:g}, {second} {other} up to {low:g}: unlike units, give a set of one"
            )

    def _same(self, what: str, value: Any, path: Path) -> None:
        first, other = self._first.setdefault(what, (value, path))
        if first != value:
            raise StageError(
                f"{other} and {path} are unlike in {what}: {first}, {value}; give a set of one unit"
            )
