"""Open a picture in the one right way: its first frame, upright. Every reader of pictures does it here.

A picture of a phone or a drone holds a preview after it (multi-picture JPEG); a TIFF holds smaller copies of itself and
masks. These are no further pictures. An animation, or a TIFF of several pages, is no single picture and is refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, StageError, described
from harness.formats import tiff
from harness.formats.turning import NORTH_UP, camera_orientation, upright

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000")
"""Formats that Pillow may open: those that it decodes itself, without another program and from one file alone."""
Units = Sequence[tuple[float, float]]
"""Scale and offset of bands: value = stored · scale + offset."""
MOST_PIXELS = 178_956_970
"""Pillow's own limit."""


@dataclass(frozen=True)
class Opened:
    """A picture that is open, not decoded yet."""

    image: Image
    tags: tiff.Directory | None
    """Of a TIFF."""
    has_more: bool
    """Whether the file has a preview or the like, which is not read."""
    where: object

    @cached_property
    def orientation(self) -> int:
        """How the picture is stored, in EXIF's code; 1 if it is upright. Decodes the picture."""
        self.image.load()  # a PNG may have it after its pixels
        return tiff.orientation(self.tags, self.where) if self.tags else camera_orientation(self.image)

    def upright(self, picture: Image) -> Image:
        """Turn what was made of the decoded image, pixel by pixel, as the image has to be."""
        done = self.tags.orientation if self.tags else NORTH_UP  # Pillow does it when it loads a TIFF
        return picture if self.orientation in (NORTH_UP, done) else upright(picture, self.orientation)


@contextmanager
def opened(encoded: bytes | Path, where: object) -> Iterator[Opened]:
    """Open a picture; inside the block whatever Pillow raises becomes one line.

    Args:
        encoded: path of the file, or its bytes.
        where: name of the image in messages.

    Raises:
        StageError: not a picture, damaged, several frames, or at an angle to north.
    """
    with as_lines(where, "image"):
        content = io.BytesIO(encoded if isinstance(encoded, bytes) else encoded.read_bytes())
        tags = tiff.directory(content)
        content.seek(0)
        with _image(content, tags is not None, where) as image:
            frames = tags.pictures if tags else getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":
                raise StageError(
                    f"{where}: {frames} frames; one image was expected, save each as a file of its own"
                )
            yield Opened(image, tags, frames > 1, where)


def _image(content: io.BytesIO, is_tiff: bool, where: object) -> Image:
    import PIL.Image

    try:
        found: Image = PIL.Image.open(content, formats=FORMATS)
    except PIL.UnidentifiedImageError:
        if is_tiff:
            raise StageError(
                f"{where}: not a readable image (damaged, or a raster of a kind that folders.geotiff reads)"
            ) from None
        raise
    return found


@contextmanager
def as_lines(where: object, what: str) -> Iterator[None]:
    """Inside the block, whatever a library raises for a damaged file becomes one line.

    Raises:
        StageError: names the file.
    """
    import PIL

    try:
        yield
    except PIL.UnidentifiedImageError:
        raise StageError(f"{where}: not a readable {what} (none of {', '.join(FORMATS)})") from None
    except (HarnessError, MemoryError):
        raise
    except Exception as e:  # Pillow raises nearly anything for a damaged file
        told = str(e) if isinstance(e, OSError | SyntaxError | ValueError) and str(e) else described(e)
        raise StageError(f"{where}: not a readable {what} ({told.splitlines()[0]})") from None


def check_size(width: int, height: int, where: object) -> None:
    """Check that a picture is none that would fill the memory.

    Raises:
        StageError: it has more pixels than Pillow opens.
    """
    if width * height > MOST_PIXELS:
        raise StageError(f"{where}: {width} × {height} pixels, more than {MOST_PIXELS:,}; cut it into tiles")


def stored(file: Path) -> tuple[int, Units]:
    """How a picture is stored, for readers that do not open it here: its orientation, and its scales and offsets.

    Raises:
        StageError: damaged so far that this cannot be read.
    """
    import PIL.Image

    with as_lines(file, "image"), file.open("rb") as content:
        if (tags := tiff.directory(content)) is not None:
            return tiff.orientation(tags, file), tags.units
        content.seek(0)
        with PIL.Image.open(content, formats=FORMATS) as image:
            return camera_orientation(image), ()


def read_rgb(path: Path) -> Image:
    """A picture in RGB, upright, from the path of its file.

    Raises:
        StageError: missing, or as of ``opened``.
    """
    with opened(path, path) as picture:
        return picture.upright(picture.image.convert("RGB"))
