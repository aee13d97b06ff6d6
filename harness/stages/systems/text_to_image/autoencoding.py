"""Training of an AutoencoderKL: initial weights that make it nearly linear, its loss, and whitening of its latents.

With random weights, a small AutoencoderKL spends most of a short training on passing colours through its
normalisations, and its images stay drab. With ``start_linear`` it blurs, but colours are right from the first step:
averaged over 4 × 4 pixels, they pass straight through. They bypass the residual branches, which start small. They pass
the last normalisation and SiLU of each half in pairs of opposite sign, because silu(x) − silu(−x) = x. A pair of large
constants in each group keeps the normalisation's divisor steady.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from harness.artifact import Json
from harness.compute.precisions import Precision, dtype_of
from harness.compute.seeds import mixed
from harness.compute.training import Stateful, train
from harness.stage import Job
from harness.stages.systems.text_to_image.augmenting import ORIENTATIONS, Augment
from harness.stages.systems.text_to_image.training_data import Frames, Pixels, oriented

_SMALL = 0.1
"""Factor for the weights that would disturb the linear path."""
_CONSTANT = 2.0
"""Large compared with pixels, which are in [-1, 1]."""
_SMOOTH = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16


@torch.no_grad()
def start_linear(vae: AutoencoderKL) -> None:
    """Set the weights of a ``tiny`` autoencoder: two halvings, four latent channels, 32 channels in the middle."""
    for name, weights in vae.named_parameters():
        if name.endswith("conv2.weight"):
            weights *= _SMALL
    for quant in (vae.quant_conv, vae.post_quant_conv):
        nn.init.dirac_(quant.weight)
        nn.init.zeros_(quant.bias)
    _encoder(vae.encoder)
    _decoder(vae.decoder)


def _encoder(encoder: Any) -> None:
    _pass(encoder.conv_in, 3, _centre())
    for number, block in enumerate(encoder.down_blocks[:2]):
        down = block.downsamplers[0].conv
        average = torch.zeros(3, 3)
        average[:2, :2] = 0.25  # the convolution is padded right and below, so this is the 2 × 2 patch
        _pass(down, 3, average)
        if number == 1:
            slope = torch.zeros(3, 3)
            slope[0, :2], slope[1, :2] = torch.tensor([0.5, 0.0]), torch.tensor([0.0, -0.5])
            down.weight[3] = 0
            down.weight[3, :3] = slope / 3
    last = encoder.down_blocks[2].resnets[0].conv_shortcut
    _pairs(last, 4, 8)
    encoder.conv_norm_out.weight[:] = _CONSTANT / 2  # of 8 channels, two have the constant
    _differences(encoder.conv_out, 4, 8)
    encoder.conv_out.weight[4:] = 0
    encoder.conv_out.bias[4:] = -6  # the latents' log variance


def _decoder(decoder: Any) -> None:
    _pass(decoder.conv_in, 4, _centre())
    _pass(decoder.up_blocks[0].upsamplers[0].conv, 4, _SMOOTH)
    _pass(decoder.up_blocks[1].resnets[0].conv_shortcut, 4, torch.ones(1, 1))
    up = decoder.up_blocks[1].upsamplers[0].conv
    _pairs(up, 4, 4)
    decoder.conv_norm_out.weight[:] = _CONSTANT / 2**0.5  # of 4 channels, two have the constant
    _differences(decoder.conv_out, 3, 4)


def _centre() -> Tensor:
    kernel = torch.zeros(3, 3)
    kernel[1, 1] = 1
    return kernel


def _kernel(layer: nn.Conv2d) -> Tensor:
    return torch.ones(1, 1) if layer.kernel_size == (1, 1) else _SMOOTH


def _pass(layer: nn.Conv2d, channels: int, kernel: Tensor) -> None:
    """Map channel i to channel i with ``kernel``, for the first ``channels`` channels."""
    for i in range(channels):
        layer.weight[i] = 0
        layer.weight[i, i] = kernel
        layer.bias[i] = 0


def _pairs(layer: nn.Conv2d, channels: int, group: int) -> None:
    """Map channel i to the first two channels of group i, with both signs; the group's last two get the constant."""
    for i in range(channels):
        first, last = i * group, (i + 1) * group
        layer.weight[[first, first + 1, last - 2, last - 1]] = 0
        layer.weight[first, i], layer.weight[first + 1, i] = _kernel(layer), -_kernel(layer)
        layer.bias[[first, first + 1]] = 0
        layer.bias[last - 2], layer.bias[last - 1] = _CONSTANT, -_CONSTANT


def _differences(layer: nn.Conv2d, channels: int, group: int) -> None:
    """Map the pairs back to single channels."""
    layer.weight *= _SMALL
    for i in range(channels):
        layer.weight[i, i * group] = _centre()
        layer.weight[i, i * group + 1] = -_centre()
        layer.bias[i] = 0


_CHUNK = 64


@dataclass(frozen=True)
class Recipe:
    """How to train, as the stage's parameters say."""

    steps: int
    batch_size: int
    lr: float
    kl: float
    augment: Augment
    precision: Precision
    seed: int


def fit(recipe: Recipe, vae: AutoencoderKL, frames: Frames, job: Job) -> list[dict[str, Json]]:
    """Train ``vae`` in place, resuming a killed run, and return the history of its loss.

    Raises:
        StageError: the loss is not a finite number.
    """
    vae.train().to(job.device, torch.float32, memory_format=torch.channels_last)
    history = train(AutoencoderLearner(recipe, vae, frames), job.scratch, job.progress)
    vae.eval()
    return history


class AutoencoderLearner:
    """An autoencoder that is trained."""

    recipe: Recipe
    precision: Precision

    def __init__(self, recipe: Recipe, vae: AutoencoderKL, frames: Frames) -> None:
        self.recipe, self.vae, self.frames = recipe, vae, frames
        self.steps, self.precision = recipe.steps, recipe.precision
        self.optimizer = torch.optim.AdamW(
            vae.parameters(), lr=recipe.lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        )
        self.rate = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.lr, total_steps=recipe.steps + 1, pct_start=0.05
        )

    @property
    def parts(self) -> Mapping[str, Stateful]:
        return {"vae": self.vae, "optimizer": self.optimizer, "rate": self.rate}

    def step(self, step: int) -> tuple[float, int]:
        """Do one step of the optimiser, and return its loss as one number."""
        self.optimizer.zero_grad()
        loss = _loss(self.recipe, self.vae, self.frames, step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.vae.parameters(), 1.0)
        self.optimizer.step()
        self.rate.step()
        return loss.item(), 1

    def note(self, row: dict[str, Json], look: bool) -> None:
        """Add nothing."""


def _loss(recipe: Recipe, vae: AutoencoderKL, frames: Frames, step: int) -> Tensor:
    """Loss of one batch; images, orientations and the latents' noise depend on seed and step only."""
    generator = torch.Generator().manual_seed(mixed(recipe.seed, step))
    chosen = torch.randint(len(frames), (recipe.batch_size,), generator=generator).tolist()
    orientations = ORIENTATIONS[recipe.augment]
    orientation = orientations[int(torch.randint(len(orientations), (1,), generator=generator))]
    pixels = oriented(frames.batch(chosen), orientation)
    given, images = (
        t.to(vae.device).contiguous(memory_format=torch.channels_last) for t in _sides(vae, pixels)
    )
    with torch.autocast(vae.device.type, dtype_of(recipe.precision), enabled=recipe.precision != "fp32"):
        latents = vae.encode(given).latent_dist
        noise = torch.randn(latents.mean.shape, generator=generator).to(vae.device)
        decoded = vae.decode(latents.mean + latents.std * noise).sample.float()
    error = decoded - images
    divergence = latents.kl().float().mean() / images[0].numel()
    return error.abs().mean() + error.square().mean() + recipe.kl * divergence


@torch.inference_mode()
def white(vae: AutoencoderKL, frames: Frames, device: str) -> dict[str, Json]:
    """Give the latents mean 0 and covariance 1 over the training images, by an exact affine map.

    Encoder and decoder meet in two 1 × 1 convolutions: ``quant_conv``, whose first half of outputs is the
    latents' mean and second half their log variance, and ``post_quant_conv``. The map goes into the first and its
    inverse into the second, so that a mean decodes to the same as before. A full map would mix the variances, which
    log variances cannot express. So the noise gets the mean of the mapped variances' logarithms, by channel.

    Returns:
        ``psnr_db`` of the reconstructions on the training images (peak 255), and the latents' noise.
    """
    channels = vae.config.latent_channels
    mean, covariance = _moments(vae, frames, device)
    values, vectors = torch.linalg.eigh(covariance)
    whitening = vectors / values.clamp_min(1e-8).sqrt() @ vectors.T  # symmetric: channels stay themselves
    inverse = vectors * values.clamp_min(1e-8).sqrt() @ vectors.T
    weight, bias = vae.quant_conv.weight.data, vae.quant_conv.bias.data
    flat = weight[:channels].flatten(1).double()
    shifted = whitening @ (bias[:channels].double() - mean)
    weight[:channels] = (whitening @ flat).to(weight)[..., None, None]
    bias[:channels] = shifted.to(bias)
    bias[channels:] += whitening.diagonal().square().log().to(bias)
    post = vae.post_quant_conv
    flat = post.weight.data.flatten(1).double()
    post.bias.data += (flat @ mean).to(post.bias)
    post.weight.data = (flat @ inverse).to(post.weight)[..., None, None]
    errors, noises = [], []
    for given, images in _batches(vae, frames, device):
        latents = vae.encode(given).latent_dist
        errors.append(
            (vae.decode(latents.mean).sample.clamp(-1, 1) - images).square().mean((1, 2, 3)).double()
        )
        noises.append(latents.std.mean((1, 2, 3)))
    return {
        "psnr_db": -10 * math.log10(float(torch.cat(errors).mean()) / 4),
        "latent_noise": float(torch.cat(noises).mean()),
    }


def _moments(vae: AutoencoderKL, frames: Frames, device: str) -> tuple[Tensor, Tensor]:
    """Mean (C,) and covariance (C, C) of the latents over images and positions, in float64."""
    channels = vae.config.latent_channels
    total = torch.zeros(channels, dtype=torch.float64, device=device)
    products = torch.zeros(channels, channels, dtype=torch.float64, device=device)
    count = 0
    for given, _ in _batches(vae, frames, device):
        flat = vae.encode(given).latent_dist.mean.double().transpose(0, 1).flatten(1)
        total += flat.sum(dim=1)
        products += flat @ flat.T
        count += flat.shape[1]
    mean = total / count
    return mean, products / count - torch.outer(mean, mean)


def _batches(vae: AutoencoderKL, frames: Frames, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(frames), _CHUNK):
        pixels = frames.batch(range(start, min(start + _CHUNK, len(frames))))
        given, images = (
            t.to(device).contiguous(memory_format=torch.channels_last) for t in _sides(vae, pixels)
        )
        yield given, images


def _sides(vae: AutoencoderKL, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """For pixels in [0, 1]: the input of the encoder, and the target of the decoder in [-1, 1]."""
    return Pixels.of(vae).apply(pixels), pixels * 2 - 1
