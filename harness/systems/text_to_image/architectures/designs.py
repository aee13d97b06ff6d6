"""The architectures of Stable Diffusion by name: their sizes, and how they start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.stage import Choices

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


@dataclass(frozen=True)
class Design:
    """The settings of a pipeline's parts, as their classes take them."""

    vae: Mapping[str, Any]
    unet: Mapping[str, Any]
    text_encoder: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    start: Callable[[AutoencoderKL], None] | None = None
    """What becomes of the autoencoder's random weights before its training; None: they stay."""


def _linear(vae: AutoencoderKL) -> None:
    from harness.systems.text_to_image.architectures.linear_start import start_linear

    start_linear(vae)


DESIGNS: Choices[Design] = Choices(
    {
        "sd15": Design(
            vae={
                "sample_size": 512,
                "latent_channels": 4,
                "block_out_channels": (128, 256, 512, 512),
                "layers_per_block": 2,
                "down_block_types": ("DownEncoderBlock2D",) * 4,
                "up_block_types": ("UpDecoderBlock2D",) * 4,
                "scaling_factor": 0.18215,
            },
            unet={
                "sample_size": 64,
                "block_out_channels": (320, 640, 1280, 1280),
                "layers_per_block": 2,
                "attention_head_dim": 8,
                "cross_attention_dim": 768,
                "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
                "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
            },
            text_encoder={
                "hidden_size": 768,
                "intermediate_size": 3072,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
                "max_position_embeddings": 77,
                "projection_dim": 768,
            },
            scheduler={"prediction_type": "epsilon"},
        ),
        # The autoencoder divides by 4, the UNet at once by 2 again: attention is where there are 64 positions.
        "tiny": Design(
            vae={
                "sample_size": 64,
                "latent_channels": 4,
                "block_out_channels": (32, 32, 64),
                "layers_per_block": 1,
                "down_block_types": ("DownEncoderBlock2D",) * 3,
                "up_block_types": ("UpDecoderBlock2D",) * 3,
                "norm_num_groups": 8,
                "mid_block_add_attention": False,
                "scaling_factor": 1.0,
            },
            unet={
                "sample_size": 16,
                "block_out_channels": (48, 96, 128),
                "layers_per_block": 1,
                "norm_num_groups": 16,
                "attention_head_dim": 4,
                "cross_attention_dim": 96,
                "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
                "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            },
            text_encoder={
                "hidden_size": 96,
                "intermediate_size": 384,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "max_position_embeddings": 77,
                "projection_dim": 96,
            },
            scheduler={"prediction_type": "v_prediction"},
            start=_linear,
        ),
    }
)
