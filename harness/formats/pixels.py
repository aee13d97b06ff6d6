"""Decode images to 8-bit RGB and count the conversions; bits are never dropped silently."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import StageError
from harness.formats.opening import Units, opened
from harness.formats.tiff import Directory

if TYPE_CHECKING:
    from PIL.Image import Image

Resize = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Scale = tuple[float, float]
"""The pixel values that become 0 and 255; values outside are clipped."""

_CONVERTED = {
    "1": "bilevel",
    "L": "grey",
    "LA": "grey with alpha",
    "La": "grey with alpha",
    "P": "palette",
    "PA": "palette",
    "RGB": "alpha",
    "RGBA": "alpha",
    "RGBa": "alpha",
    "RGBX": "padded",
    "CMYK": "CMYK",
    "YCbCr": "YCbCr",
    "LAB": "Lab",
    "HSV": "HSV",
}
_DEEP = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})


@dataclass
class Decoder:
    """Decodes images and counts the conversions for the facts.

    The picture is turned upright, grey is repeated in three channels, a palette is looked up, transparent pixels become
    black (as no-data pixels are in rasters), and one channel of more than 8 bits is scaled.
    """

    scale: Scale | None = None
    size: int | None = None
    """Side length in pixels. Images are cut to the middle square and resized to it; None keeps every image as it is."""
    resize: Resize = "bicubic"
    converted: Counter[str] = field(default_factory=Counter)
    _units: dict[bool, str] = field(default_factory=dict)
    """The first image with a scale of its own, and the first without."""

    def __post_init__(self) -> None:
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise StageError(f"scale: [{self.scale[0]:g}, {self.scale[1]:g}] must ascend")
        if self.size is None and self.resize != "bicubic":
            raise StageError(f"resize: {self.resize} changes nothing without a size; remove it or set size")

    def decode(self, encoded: bytes | Path, where: object) -> Image:
        """Decode one image to RGB, upright.

        Args:
            encoded: path of the file, or its bytes.
            where: name of the image in messages.

        Raises:
            StageError: it is cut short, damaged, not an image, or has several frames; or it has more than 8 bits per
                channel and there is no ``scale``.
        """
        with opened(encoded, where) as picture:
            image, tags = picture.image, picture.tags
            deep = _is_cut_to_8_bits(image)
            image.load()
            if deep:
                other = "folders.geotiff reads these" if tags else "convert it to 8 bits, or to a GeoTIFF"
                raise StageError(f"{where}: more than 8 bits in each of several channels; {other}")
            if tags and tags.has_mask:
                raise StageError(f"{where}: has a mask of its own, which folders.geotiff reads")
            rgb = picture.upright(self._rgb(image, tags, where))
            self.count({"turned": picture.orientation != 1, "first of several pictures": picture.has_more})
            return self.sized(rgb)

    def count(self, seen: Mapping[str, bool]) -> None:
        """Count what was done to an image."""
        self.converted.update(what for what, done in seen.items() if done)

    def _rgb(self, image: Image, tags: Directory | None, where: object) -> Image:
        deep = image.mode in _DEEP
        if tags and tags.units and not deep:
            raise StageError(f"{where}: has a scale and an offset of its own, which folders.geotiff applies")
        if tags and (tags.is_signed or (deep and tags.colours)):
            what = "bytes with a sign" if tags.is_signed else "a colour table of more than 8 bits"
            raise StageError(f"{where}: has {what}, which folders.geotiff reads")
        if tags and tags.colours and image.mode == "L":
            self.converted["palette"] += 1
            picture = _looked_up(image, tags.colours)
        elif deep:
            units = tags.units[:1] if tags else ()
            self.check_units(units, where)
            picture = self._scaled(image, units, where)
            if isinstance(mark := image.info.get("transparency"), int):  # of a PNG
                picture = self._without(picture, image, mark, "alpha")
        elif image.mode == "RGB" and "transparency" not in image.info:
            picture = image.copy()
        else:
            self.converted[_CONVERTED.get(image.mode, image.mode)] += 1
            blended = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
            picture = _over_black(image.convert("RGBA")) if blended else image.convert("RGB")
        if tags and tags.nodata is not None:
            return self._without(picture, image, tags.nodata, "no data")
        return picture

    def _without(self, picture: Image, image: Image, nodata: float, what: str) -> Image:
        """The picture, black where all colours of the image have no data: one of them may well have that value."""
        import numpy as np
        import PIL.Image

        values = np.asarray(image)
        values = values[..., : 1 if image.mode[0] == "L" else 3] if values.ndim == 3 else values[..., None]
        missing = (np.isnan(values) if np.isnan(nodata) else values == nodata).all(axis=-1)
        if not missing.any():
            return picture
        self.converted[what] += 1
        pixels = np.asarray(picture).copy()
        pixels[missing] = 0
        return PIL.Image.fromarray(pixels)

    def _scaled(self, image: Image, units: Units, where: object) -> Image:
        import numpy as np
        import PIL.Image

        values = np.asarray(image, dtype=np.float64)
        for factor, offset in units:
            values = values * factor + offset
            self.converted["scale and offset of the file"] += 1
        if self.scale is None:
            finite = values[np.isfinite(values)]
            if not finite.size:
                raise StageError(f"{where}: no pixel has a finite value")
            raise StageError(
                f"{where}: more than 8 bits per pixel, values {finite.min():g} to {finite.max():g}; "
                "say which become 0 and 255: scale: [low, high]"
            )
        self.converted["scaled"] += 1
        return PIL.Image.fromarray(to_8_bit(values, self.scale)).convert("RGB")

    def check_units(self, units: Units, where: object) -> None:
        """Check that the values of all images have one unit.

        Args:
            units: scale and offset of the bands that are read, of those that have them. They are applied.
            where: name of the image in messages.

        Raises:
            StageError: some images, or some bands of one, have a scale and others have none, so that their values
                cannot be alike.
        """
        kinds = {factor != 1 for factor, _ in units} or {False}
        if len(kinds) == 2:
            raise StageError(
                f"{where}: some of its bands have a scale of their own and others have none; their values are in "
                "unlike units, name bands of one unit"
            )
        self._units.setdefault(kinds.pop(), str(where))
        if len(self._units) == 2:
            raise StageError(
                f"{self._units[True]}: has a scale of its own, and {self._units[False]} has none; their values are in "
                "unlike units, give a set of one unit"
            )

    def sized(self, image: Any) -> Image:
        """Resize a PIL image, or an array of uint8 with shape (H, W, 3), to ``size``."""
        import PIL.Image

        image = image if isinstance(image, PIL.Image.Image) else PIL.Image.fromarray(image)
        if self.size is None or image.size == (self.size, self.size):
            return image
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        if image.width != image.height:
            self.converted["cut to a square"] += 1
        if side != self.size:
            self.converted["resized"] += 1
        filter_ = PIL.Image.Resampling[self.resize.upper()]
        return image.crop((left, top, left + side, top + side)).resize((self.size, self.size), filter_)

    def check_used(self) -> None:
        """Refuse a ``scale`` that had no effect.

        Raises:
            StageError: every image has 8 bits per channel.
        """
        if self.scale is not None and not self.converted["scaled"]:
            raise StageError(
                "scale: no image has more than 8 bits per pixel, so it changes nothing; remove it"
            )


def to_8_bit(values: Any, scale: Scale) -> Any:
    """Convert an array of numbers, any shape, to uint8: linear from ``scale`` to 0…255, clipped, rounded; NaN is 0."""
    import numpy as np

    low, high = scale
    scaled = np.rint((values.astype(np.float64) - low) * (255 / (high - low)))
    return np.nan_to_num(np.clip(scaled, 0, 255), nan=0).astype(np.uint8)


def _looked_up(image: Image, colours: Sequence[int]) -> Image:
    """A grey image as indices into all reds, all greens and all blues, in 16 bits."""
    import numpy as np
    import PIL.Image

    table = np.array(colours, dtype=np.uint16).reshape(3, -1).T // 256
    return PIL.Image.fromarray(table.astype(np.uint8)[np.asarray(image)])


def _over_black(image: Image) -> Image:
    import PIL.Image

    black = PIL.Image.new("RGBA", image.size, (0, 0, 0, 255))
    return PIL.Image.alpha_composite(black, image).convert("RGB")


def _is_cut_to_8_bits(image: Image) -> bool:
    """Whether Pillow opened 16-bit colour as 8-bit, without a warning; the raw mode of its tiles shows it."""
    modes = [a for tile in image.tile for a in (tile[3] if isinstance(tile[3], tuple) else (tile[3],))]
    return image.mode not in _DEEP and any(isinstance(m, str) and re.search(r";16[BLN]$", m) for m in modes)
