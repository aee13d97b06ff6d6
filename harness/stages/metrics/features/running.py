"""The network at work on a device: exact in fp32, whatever the batch and however little memory there is."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.compute.arithmetic import is_out_of_memory
from harness.compute.precisions import Precision, dtype_of
from harness.errors import ResourceError
from harness.metrics.features.view import View
from harness.stage import Job


class Runner:
    """Applies a network to batches.

    Args:
        module: on the CPU; moved to the job's device.
        view: normalises.
        batch_size: images at once, at most; halved when fp32 runs out of memory.
        precision: fp32, bf16 or fp16.
        job: its device and log.
    """

    precision: Precision

    def __init__(
        self, module: nn.Module, view: View, batch_size: int, precision: Precision, job: Job
    ) -> None:
        self.device = torch.device(job.device)
        # Convolutions on a CPU are up to a third faster with the channels side by side.
        layout = torch.channels_last if self.device.type == "cpu" else torch.contiguous_format
        self.module = module.to(self.device, memory_format=layout)
        self.view = view
        self.batch_size = batch_size
        self.precision = precision
        self.job = job

    def features(self, pixels: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
        """(N, H, W, 3) of values from 0 to 255 to (N, D).

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
            # Outside of the handler, for the exception holds on to what filled the memory.
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
