"""Pipelines by the name of their architecture, with random weights: where training from nothing starts."""

from __future__ import annotations

from typing import Any, Literal

from harness.artifact import Pipeline, Tokenizer
from harness.stage import Job, Seed, stage

Architecture = Literal["tiny", "sd15"]


@stage(version=1, software=("torch", "diffusers", "transformers"))
def build(tokenizer: Tokenizer, *, architecture: Architecture, seed: Seed = 0, job: Job) -> Pipeline:
    """A StableDiffusionPipeline with random weights.

    Args:
        tokenizer: says how many words the text encoder has.
        architecture: ``sd15`` is Stable Diffusion v1.5's (860 M parameters in the UNet, 512 px); ``tiny`` is
            for two CPU cores: 64 px, latents of 4 × 16 × 16, v-prediction, 5 M parameters in all.
        seed: of the weights.
        job: gives the folder.
    """
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from harness.systems.text_to_image.architectures.linear_start import start_linear
    from harness.systems.text_to_image.pipelines.components import quiet

    words = CLIPTokenizer.from_pretrained(tokenizer.path, local_files_only=True)
    design = _DESIGNS[architecture]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        text = CLIPTextConfig(
            vocab_size=len(words),
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
            **design["text_encoder"],
        )
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL(**design["vae"]),
            text_encoder=CLIPTextModel(text),
            tokenizer=words,
            unet=UNet2DConditionModel(**design["unet"]),
            scheduler=PNDMScheduler(**_NOISE, **design["scheduler"]),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        if architecture == "tiny":
            start_linear(pipeline.vae)
    folder = job.folder()
    with quiet():
        pipeline.save_pretrained(folder, safe_serialization=True)
    return Pipeline(folder, facts={"architecture": architecture, "parameters": parameters(pipeline)})


def parameters(pipeline: Any) -> dict[str, int]:
    """How many numbers each network of a pipeline has."""
    networks = {"unet": pipeline.unet, "vae": pipeline.vae, "text_encoder": pipeline.text_encoder}
    return {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}


_NOISE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "skip_prk_steps": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
"""Stable Diffusion's own schedule, which the samplers of all architectures share."""

_DESIGNS: dict[Architecture, dict[str, dict[str, Any]]] = {
    "sd15": {
        "vae": {
            "sample_size": 512,
            "latent_channels": 4,
            "block_out_channels": (128, 256, 512, 512),
            "layers_per_block": 2,
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "scaling_factor": 0.18215,
        },
        "unet": {
            "sample_size": 64,
            "block_out_channels": (320, 640, 1280, 1280),
            "layers_per_block": 2,
            "attention_head_dim": 8,
            "cross_attention_dim": 768,
            "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
            "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
        },
        "text_encoder": {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "max_position_embeddings": 77,
            "projection_dim": 768,
        },
        "scheduler": {"prediction_type": "epsilon"},
    },
    # The autoencoder divides by 4, the UNet at once by 2 again: attention is where there are 64 positions.
    "tiny": {
        "vae": {
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
        "unet": {
            "sample_size": 16,
            "block_out_channels": (48, 96, 128),
            "layers_per_block": 1,
            "norm_num_groups": 16,
            "attention_head_dim": 4,
            "cross_attention_dim": 96,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        },
        "text_encoder": {
            "hidden_size": 96,
            "intermediate_size": 384,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 77,
            "projection_dim": 96,
        },
        "scheduler": {"prediction_type": "v_prediction"},
    },
}
