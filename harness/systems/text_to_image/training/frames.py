"""Images and captions for training: decoded once into a file of bytes, so that memory does not grow with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.artifact import Artifact
from harness.data import image_folder
from harness.errors import StageError
from harness.stage import Job


def oriented(images: Tensor, orientation: int) -> Tensor:
    """Images (…, H, W) in one of eight orientations: quarter turns (``% 4``), mirrored first from 4 on."""
    if orientation >= 4:
        images = images.flip(-1)
    return torch.rot90(images, orientation % 4, (-2, -1))


@dataclass(frozen=True)
class Frames:
    """Images of one size."""

    pixels: NDArray[np.uint8]
    """(N, 3, H, W), a memory map."""
    names: Sequence[str]
    captions: Sequence[Sequence[str]]
    """Empty where an image has none."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[2], self.pixels.shape[3]

    def batch(self, indices: Sequence[int]) -> Tensor:
        """float32 (B, 3, H, W) in [0, 1]."""
        return torch.from_numpy(self.pixels[list(indices)]).float() / 255

    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation per channel of all pixels in [0, 1]: exact, image by image.

        Bytes and their squares are summed as integers, so no order of the images gives another result.
        """
        total, squares = np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
        for image in self.pixels:
            values = image.reshape(3, -1).astype(np.int64)
            total += values.sum(axis=1)
            squares += np.square(values).sum(axis=1)
        count = self.pixels.size // 3
        mean = total / count
        variance = np.maximum(squares / count - np.square(mean), 1e-12)
        return (mean / 255).tolist(), (np.sqrt(variance) / 255).tolist()


def decode(sources: Sequence[Artifact], file: Path, multiple: int, what: str, job: Job) -> Frames:
    """Read every image of some folders into one file.

    Args:
        sources: image folders.
        file: where the bytes go.
        multiple: what height and width must be divisible by.
        what: names the images in messages.
        job: is told how far it is.

    Raises:
        StageError: no images, an unreadable one, sizes that differ or that the networks cannot take.
    """
    rows = [row for source in sources for row in image_folder.rows(source)]
    if not rows:
        raise StageError(f"no {what} images")
    first = _read(rows[0].path)
    if any(side % multiple for side in first.shape[:2]):
        height, width = first.shape[:2]
        raise StageError(
            f"{what} images are {width}×{height} pixels; the networks need multiples of {multiple}"
        )
    shape = (len(rows), 3, *first.shape[:2])
    pixels = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    for i, row in enumerate(rows):
        image = _read(row.path)
        if image.shape != first.shape:
            raise StageError(
                f"{row.path}: {image.shape[1]}×{image.shape[0]} pixels where others have "
                f"{first.shape[1]}×{first.shape[0]}; resize them"
            )
        pixels[i] = image.transpose(2, 0, 1)
        job.progress(i + 1, len(rows), f"{what} images")
    return Frames(pixels, [row.name for row in rows], [row.captions for row in rows])


def _read(path: Path) -> NDArray[np.uint8]:
    """Uint8 (H, W, 3)."""
    try:
        with Image.open(path) as image:
            if image.mode != "RGB":
                raise StageError(f"{path}: mode {image.mode}, not 8-bit RGB")
            return np.asarray(image, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise StageError(f"{path}: not a readable image ({e})") from None
