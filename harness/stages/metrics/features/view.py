"""From stored 8-bit pictures to the input of a network, read ahead in other threads.

The resize filter alone changes a Fréchet distance by more than most models differ, so the whole preparation is
part of the extractor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from harness.artifact import Artifact, Json
from harness.errors import StageError
from harness.formats.image_folder import Row, rows
from harness.formats.pixels import Decoder

T = TypeVar("T")
R = TypeVar("R")

Pixels = NDArray[np.uint8 | np.float32]

Fit = Literal[
    "as it is",
    "centre-crop",
    "pil-nearest",
    "pil-box",
    "pil-hamming",
    "pil-bilinear",
    "pil-bicubic",
    "pil-lanczos",
    "tensor-nearest",
    "tensor-nearest-exact",
    "tensor-bilinear",
    "tensor-bicubic",
    "tensor-lanczos",
    "float-nearest",
    "float-nearest-exact",
    "float-bilinear",
    "float-bicubic",
    "float-lanczos",
    "tensorflow-bilinear",
]
Channels = tuple[float, float, float]


@dataclass(frozen=True)
class View:
    """How pictures are fitted and normalised."""

    size: int | None
    """Width and height in pixels, whatever the picture's shape; None if the picture is not resized."""
    fit: Fit
    """``pil-`` and ``tensor-`` filters are antialiased and round to 8 bits, ``float-`` filters do not round (DINOv3);
    TensorFlow 1's does neither.
    """
    mean: Channels
    """Subtracted from the values; in units of 8-bit values, 0 to 255, for red, green and blue."""
    std: Channels
    """Divisor after the subtraction, in the same units."""
    edge: int | None = None
    """Length in pixels to which the picture is resized before its centre of ``size`` is cut out; None: it is resized to
    ``size`` itself, and not cropped.
    """
    keeps_shape: bool = True
    """Whether ``edge`` is the length of the shorter side, so that the picture keeps its shape, or of both sides."""
    cropping: Literal["nearest", "down"] = "nearest"
    """How half a pixel of a margin is rounded: as torchvision does, or as transformers."""

    def to_json(self) -> dict[str, Json]:
        """The fields, without those of a crop where there is none."""
        told: dict[str, Json] = {**asdict(self), "mean": list(self.mean), "std": list(self.std)}
        plain = {"edge": None, "keeps_shape": True, "cropping": "nearest"}
        return {name: value for name, value in told.items() if name not in plain or value != plain[name]}

    def sized(self, size: int) -> View:
        """The same for another size; a crop keeps its share of the picture."""
        edge = None if self.edge is None or self.size is None else self.edge * size // self.size
        return replace(self, size=size, edge=edge)

    def pixels(self, picture: Image.Image) -> NDArray[np.uint8 | np.float32]:
        """The fitted RGB picture: (H, W, 3), values from 0 to 255.

        Raises:
            StageError: it is smaller than the crop.
        """
        if self.size is None:
            return np.asarray(picture)
        if self.fit == "centre-crop":
            return _cropped(np.asarray(picture), self.size, self.cropping)
        if self.fit == "tensorflow-bilinear":
            return tensorflow_bilinear(np.asarray(picture), self.size)
        if self.edge is None:
            return _resized(picture, self.size, self.size, self.fit)
        width, height = picture.size
        shorter = min(width, height)
        if self.keeps_shape:
            width, height = int(self.edge * width / shorter), int(self.edge * height / shorter)
        else:
            width = height = self.edge
        return _cropped(_resized(picture, width, height, self.fit), self.size, self.cropping)

    def normalised(self, batch: Tensor) -> Tensor:
        """(N, 3, H, W) of values from 0 to 255 as float32, minus the mean, divided by the deviation."""
        mean, std = (torch.tensor(c, device=batch.device).view(1, 3, 1, 1) for c in (self.mean, self.std))
        return (batch.float() - mean) / std


def _resized(picture: Image.Image, width: int, height: int, fit: Fit) -> Pixels:
    if picture.size == (width, height):
        return np.asarray(picture)
    library, _, filter_ = fit.partition("-")
    if library == "pil":
        return np.asarray(picture.resize((width, height), Image.Resampling[filter_.upper()]))
    mode = transforms.InterpolationMode(filter_)
    whole: Tensor = transforms.pil_to_tensor(picture)
    whole = whole.float() if library == "float" else whole
    resized: Tensor = transforms.resize(whole, [height, width], mode, antialias=True)
    return np.asarray(resized.permute(1, 2, 0))


def _cropped(pixels: Pixels, side: int, cropping: str) -> Pixels:
    height, width, _ = pixels.shape
    if min(height, width) < side:
        raise StageError(f"{width}×{height} pixels, smaller than the crop of {side}")
    halved = round if cropping == "nearest" else int
    left, top = halved((width - side) / 2), halved((height - side) / 2)
    return pixels[top : top + side, left : left + side]


def tensorflow_bilinear(pixels: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """The resize in the Inception graph of published Fréchet distances, bit for bit as in torch-fidelity.

    TensorFlow 1's ``resize_bilinear`` without aligned corners uses two source pixels per axis at any scale, so
    reducing a picture aliases. It is done here on one small axis after the other instead of on four copies of the
    whole batch.

    Args:
        pixels: (H, W, 3).
        size: height and width of the result.
    """
    low, high, share = _taps(pixels.shape[1], size)
    left = pixels.take(low, axis=1).astype(np.float32)
    rows = left + (pixels.take(high, axis=1) - left) * share[:, None]
    low, high, share = _taps(pixels.shape[0], size)
    top = rows.take(low, axis=0)
    resized: NDArray[np.float32] = top + (rows.take(high, axis=0) - top) * share[:, None, None]
    return resized


def _taps(source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For each target pixel the source pixels before and after it, and its relative position between them (0 to 1)."""
    at = np.arange(target, dtype=np.float32) * np.float32(source / target)
    low = at.astype(np.int64)
    return low, np.minimum(low + 1, source - 1), at - low.astype(np.float32)


class Batch(NamedTuple):
    items: list[str]
    labels: list[str | None]
    pixels: Pixels
    """(n, H, W, 3), values from 0 to 255."""


def first_size(row: Row, view: View) -> tuple[int, int]:
    """Width and height of an image as the network sees it."""
    height, width, _ = _pixels(row, view).shape
    return width, height


def batches(images: Artifact, view: View, size: tuple[int, int], batch_size: int) -> Generator[Batch]:
    """Batches of an image folder in file order; the next batch is read while this one is used.

    Args:
        images: the folder.
        view: how its images are fitted.
        size: width and height that all of them must have after fitting.
        batch_size: size of all batches but the last.

    Raises:
        StageError: an image that is damaged, not 8-bit RGB, or of another size.
    """

    def read(row: Row) -> tuple[Row, Pixels]:
        return row, _pixels(row, view)

    done = _ahead(read, rows(images), batch_size, torch.get_num_threads())
    while batch := list(islice(done, batch_size)):
        for row, pixels in batch:
            if pixels.shape[:2] != size[::-1]:
                raise StageError(
                    f"{row.path}: {pixels.shape[1]}×{pixels.shape[0]} pixels where others have "
                    f"{size[0]}×{size[1]}; this extractor takes images as they are, so resize them first"
                )
        names, labels = [row.name for row, _ in batch], [row.label for row, _ in batch]
        yield Batch(names, labels, np.stack([pixels for _, pixels in batch]))


def _pixels(row: Row, view: View) -> Pixels:
    decoder = Decoder()
    picture = decoder.decode(row.path, row.path)
    if decoder.converted:
        raise StageError(f"{row.path}: {', '.join(decoder.converted)}; images of a folder are 8-bit RGB")
    try:
        return view.pixels(picture)
    except StageError as e:
        raise StageError(f"{row.path}: {e}") from None


def _ahead(work: Callable[[T], R], things: Iterable[T], ahead: int, threads: int) -> Generator[R]:
    """``map`` in threads, in order, computing at most ``ahead`` results in advance."""
    pool = ThreadPoolExecutor(threads)
    try:
        waiting: deque[Future[R]] = deque()
        for thing in things:
            waiting.append(pool.submit(work, thing))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
