"""The rows of captioned images, each with something to read."""

from __future__ import annotations

from harness.artifact import CaptionedImages
from harness.data import image_folder
from harness.data.image_folder import Row
from harness.errors import StageError


def captioned(images: CaptionedImages, what: str) -> list[Row]:
    """All rows, in file order.

    Args:
        images: an image folder whose rows have captions.
        what: what messages call them (``"training"``).

    Raises:
        StageError: fewer than two, or one without a caption or with a blank one.
    """
    rows = list(image_folder.rows(images))
    if len(rows) < 2:
        raise StageError(f"{len(rows)} {what} images; at least 2 are needed, for captions of others")
    for row in rows:
        if not row.captions or not all(caption.strip() for caption in row.captions):
            raise StageError(f"{what} image {row.name}: no caption, or a blank one")
    return rows
