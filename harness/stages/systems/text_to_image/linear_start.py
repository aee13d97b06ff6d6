"""Initial weights that make an autoencoder nearly linear: it blurs, but colours are right from the first step.

With random weights, a small AutoencoderKL spends most of a short training on passing colours through its
normalisations, and its images stay drab. Here colours, averaged over 4 × 4 pixels, pass straight through. They bypass
the residual branches, which start small. They pass the last normalisation and SiLU of each half in pairs of opposite
sign, because silu(x) − silu(−x) = x. A pair of large constants in each group keeps the normalisation's divisor steady.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

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
