"""Pipelines by the name of their architecture, with random weights: where training from nothing starts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from harness.artifact import Pipeline, Tokenizer
from harness.stage import Job, Seed, stage
from harness.systems.text_to_image.architectures.designs import DESIGNS

Architecture = Annotated[Literal["tiny", "sd15"], DESIGNS]


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

    from harness.systems.text_to_image.pipelines.components import quiet

    words = CLIPTokenizer.from_pretrained(tokenizer.path, local_files_only=True)
    design = DESIGNS[architecture]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        text = CLIPTextConfig(
            vocab_size=len(words),
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
            **design.text_encoder,
        )
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL(**design.vae),
            text_encoder=CLIPTextModel(text),
            tokenizer=words,
            unet=UNet2DConditionModel(**design.unet),
            scheduler=PNDMScheduler(**_NOISE, **design.scheduler),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        if design.start is not None:
            design.start(pipeline.vae)
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
