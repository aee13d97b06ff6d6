"""What the autoencoder makes of every training image, computed once and kept in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from harness.stage import Job
from harness.systems.text_to_image.pipelines.normalisation import Pixels
from harness.systems.text_to_image.training.frames import Frames, oriented

_CHUNK = 16


@dataclass(frozen=True)
class Latents:
    """Posterior mean and log variance of each image in each orientation."""

    moments: NDArray[np.float32]
    """(N, K, 2C, h, w), a memory map."""
    scaling: float

    def sample(self, images: Sequence[int], orientations: Sequence[int], noise: Tensor) -> Tensor:
        """Latents (B, C, h, w) drawn from the posterior by standard normal ``noise`` of that shape, scaled."""
        moments = torch.from_numpy(self.moments[list(images), list(orientations)])
        mean, log_variance = moments.chunk(2, dim=1)
        return (mean + noise * (log_variance.clamp(-30, 20) / 2).exp()) * self.scaling

    def mean(self, images: Sequence[int]) -> Tensor:
        """(B, C, h, w) of images as they are, scaled."""
        mean, _ = torch.from_numpy(self.moments[list(images), 0]).chunk(2, dim=1)
        return mean * self.scaling


@torch.inference_mode()
def encode(
    vae: AutoencoderKL,
    frames: Frames,
    orientations: Sequence[int],
    pixels: Pixels,
    file: Path,
    what: str,
    job: Job,
) -> Latents:
    """Encode all images in all orientations, in fp32, into ``file``."""
    done = 0
    moments = None
    for start in range(0, len(frames), _CHUNK):
        chosen = range(start, min(start + _CHUNK, len(frames)))
        images = pixels.apply(frames.batch(chosen))
        for k, orientation in enumerate(orientations):
            found = vae.encode(oriented(images, orientation).to(vae.device)).latent_dist.parameters
            if moments is None:
                shape = (len(frames), len(orientations), *found.shape[1:])
                moments = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
            moments[list(chosen), k] = found.float().cpu().numpy()
        done += len(chosen)
        job.progress(done, len(frames), f"{what} latents")
    assert moments is not None, "frames are never empty"
    return Latents(moments, float(vae.config.scaling_factor))
