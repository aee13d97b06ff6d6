"""The scaling of pixels that an autoencoder was trained on, recorded in its configuration if it is not [-1, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from harness.errors import StageError

MARK = "_harness_pixels"
"""Entry of the VAE's ``config.json``. It stays with the weights whenever they are opened and saved, because diffusers
keeps entries whose names begin with an underscore, without a warning."""


@dataclass(frozen=True)
class Pixels:
    """Scaling of pixels in [0, 1] for the autoencoder: ``(x − mean) / std`` by channel."""

    mean: Sequence[float]
    std: Sequence[float]

    @classmethod
    def of(cls, vae: AutoencoderKL) -> Pixels:
        """The scaling that an encoder expects: [-1, 1], unless a fine-tuning recorded the statistics of its data.

        Raises:
            StageError: the recorded entry is not valid.
        """
        found = vae.config.get(MARK)
        if found is None:
            return VAE_PIXELS
        try:
            pixels = cls(tuple(map(float, found["mean"])), tuple(map(float, found["std"])))
        except (KeyError, TypeError, ValueError):
            pixels = cls((), ())
        numbers = (*pixels.mean, *pixels.std)
        if len(pixels.mean) != 3 or len(pixels.std) != 3 or not all(map(math.isfinite, numbers)):
            raise StageError(
                f"the pipeline: {MARK} of its vae is {found!r:.80}; expected mean and std of three channels"
            )
        if min(pixels.std) <= 0:
            raise StageError(f"the pipeline: {MARK} of its vae has std {pixels.std}; expected more than 0")
        return pixels

    def apply(self, images: Tensor) -> Tensor:
        """Scale images of shape (B, 3, H, W)."""
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        return (images - mean[:, None, None]) / std[:, None, None]

    def fold_into(self, vae: AutoencoderKL) -> None:
        """Make a decoder that was trained in this scaling return pixels in [-1, 1], as diffusers expects.

        Its last layer is linear, so this is exact. A scaling that was folded in before is undone. The encoder still
        expects images in this scaling, which is recorded in the configuration.
        """
        before, last = Pixels.of(vae), vae.decoder.conv_out
        scale = torch.tensor(self.std).to(last.weight) / torch.tensor(before.std).to(last.weight)
        black, black_before = (2 * torch.tensor(p.mean) - 1 for p in (self, before))
        last.weight.data *= scale[:, None, None, None]
        last.bias.data = last.bias.data * scale + (
            black.to(last.weight) - black_before.to(last.weight) * scale
        )
        vae.register_to_config(**{MARK: {"mean": list(self.mean), "std": list(self.std)}})


VAE_PIXELS = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""The convention of diffusers: [-1, 1]."""
