"""Reading images ahead in other threads, and running a network on them on a device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.artifact import Artifact
from harness.compute.arithmetic import is_out_of_memory
from harness.compute.precisions import Precision, dtype_of
from harness.errors import ResourceError, StageError
from harness.formats.image_folder import Row, rows
from harness.formats.pixels import Decoder
from harness.stage import Job
from harness.stages.metrics.features.view import View

T = TypeVar("T")
R = TypeVar("R")

Pixels = NDArray[np.uint8 | np.float32]


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


class Runner:
    """Applies a network to batches.

    Args:
        module: on the CPU; moved to the job's device.
        view: gives the normalisation.
        batch_size: images at once, at most; halved when fp32 runs out of memory.
        precision: fp32, bf16 or fp16.
        job: gives the device and the log.
    """

    precision: Precision

    def __init__(
        self, module: nn.Module, view: View, batch_size: int, precision: Precision, job: Job
    ) -> None:
        self.device = torch.device(job.device)
        # Convolutions on a CPU are up to a third faster with the channels last.
        layout = torch.channels_last if self.device.type == "cpu" else torch.contiguous_format
        self.module = module.to(self.device, memory_format=layout)
        self.view = view
        self.batch_size = batch_size
        self.precision = precision
        self.job = job

    def features(self, pixels: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
        """Maps (N, H, W, 3) of values from 0 to 255 to features (N, D).

        Raises:
            ResourceError: out of memory with one image, or at half precision.
        """
        while True:
            try:
                parts = torch.from_numpy(pixels).permute(0, 3, 1, 2).split(self.batch_size)
                return np.concatenate([self._part(part) for part in parts])
            except (RuntimeError, MemoryError) as e:
                if not is_out_of_memory(e):
                    raise
            # Outside the handler, because the exception keeps alive what filled the memory.
            self._halve()

    def _part(self, pixels: Tensor) -> NDArray[np.float32]:
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            torch.autocast(self.device.type, dtype_of(self.precision), enabled=self.precision != "fp32"),
        ):
            features: NDArray[np.float32] = (
                self.module(self.view.normalised(pixels.to(self.device))).float().cpu().numpy()
            )
        return features

    def _halve(self) -> None:
        smaller = self.batch_size // 2
        if smaller == 0:
            raise ResourceError(f"out of memory on {self.device} with a single image")
        if self.precision != "fp32":
            raise ResourceError(
                f"out of memory on {self.device} with {self.batch_size} images at {self.precision}, where the "
                f"batch decides about the features; set batch_size: {smaller}"
            )
        self.job.log(f"out of memory with {self.batch_size} images at once; going on with {smaller}")
        self.batch_size = smaller
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
