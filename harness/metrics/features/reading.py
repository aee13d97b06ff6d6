"""Images on their way to the network: decoded and fitted by other threads, a little ahead of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from harness.artifact import Artifact
from harness.data.image_folder import Row, rows
from harness.data.pixels import Decoder
from harness.errors import StageError
from harness.metrics.features.view import View

T = TypeVar("T")
R = TypeVar("R")

Pixels = NDArray[np.uint8 | np.float32]


class Batch(NamedTuple):
    items: list[str]
    labels: list[str | None]
    pixels: Pixels
    """(n, H, W, 3), values from 0 to 255."""


def first_size(row: Row, view: View) -> tuple[int, int]:
    """Width and height of what the network sees of an image."""
    height, width, _ = _pixels(row, view).shape
    return width, height


def batches(images: Artifact, view: View, size: tuple[int, int], batch_size: int) -> Generator[Batch]:
    """An image folder in file order, the next batch being read while this one is used.

    Args:
        images: the folder.
        view: how its images are fitted.
        size: width and height that all of them must have then.
        batch_size: of all batches but the last.

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
    """``map`` by threads, in order, at most ``ahead`` results early."""
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
