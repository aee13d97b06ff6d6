"""The stages that build a pipeline with random weights by its architecture's name, load one, and change its dtype."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from harness.artifact import Json, Pipeline, Tokenizer
from harness.compute.precisions import Precision, dtype_of
from harness.errors import StageError
from harness.sources.hub import Source
from harness.stage import Choices, Job, Seed, stage

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, StableDiffusionPipeline


@dataclass(frozen=True)
class Design:
    """The settings of a pipeline's parts, in the form that their classes take."""

    vae: Mapping[str, Any]
    unet: Mapping[str, Any]
    text_encoder: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    start: Callable[[AutoencoderKL], None] | None = None
    """Changes the autoencoder's random weights before its training; None leaves them."""


def _linear(vae: AutoencoderKL) -> None:
    from harness.stages.systems.text_to_image.autoencoding import start_linear

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
        # The autoencoder divides by 4, the UNet immediately by 2 again: attention is at the level with 64 positions.
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


Architecture = Annotated[Literal["tiny", "sd15"], DESIGNS]


@stage(version=1, software=("torch", "diffusers", "transformers"))
def build(tokenizer: Tokenizer, *, architecture: Architecture, seed: Seed = 0, job: Job) -> Pipeline:
    """Build a StableDiffusionPipeline with random weights.

    Args:
        tokenizer: determines the size of the text encoder's vocabulary.
        architecture: ``sd15`` is Stable Diffusion v1.5 (860 M parameters in the UNet, 512 px); ``tiny`` is
            for two CPU cores: 64 px, latents of 4 × 16 × 16, v-prediction, 5 M parameters in all.
        seed: seed for the weights.
        job: gives the folder.
    """
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from harness.stages.systems.text_to_image.components import quiet

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
    """Number of parameters of each network of a pipeline."""
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
"""Stable Diffusion's noise schedule, which the samplers of all architectures share."""


@stage(version=1, software=("torch", "diffusers", "transformers", "peft"))
def load(
    *,
    source: Source,
    config: Source | None = None,
    adapter: Source | None = None,
    adapter_scale: float = 1.0,
    job: Job,
) -> Pipeline:
    """Load a trained Stable Diffusion pipeline and check that its weights are complete.

    It is read and saved again, in the dtype in which it is stored, so that it does not change when the source does.
    The safety checker, its feature extractor, and whatever else the folder has are left out. Pickles are never opened,
    and code shipped with the weights is never run. A scheduler's configuration is kept, except ``steps_offset`` 0 and
    ``clip_sample`` true, which diffusers corrects in every pipeline.

    Args:
        source: a pipeline's folder in the format of diffusers, or one safetensors file in Stable Diffusion's own
            layout: ``org/name@commit``, ``org/name@commit:file.safetensors``, ``path:…``.
        config: for a single file, a pipeline's folder of the same architecture, for everything except weights:
            tokenizer, scheduler and prediction type.
        adapter: a LoRA adapter to merge into the weights (diffusers', PEFT's or kohya's format): a safetensors
            file, or a folder with one. Each module has its own rank and alpha. The result is a plain pipeline.
        adapter_scale: how much of the adapter is added; 1 is all of it.
        job: provides device, folders and log.

    Raises:
        StageError: a part is missing, damaged, a pickle, of another class, or does not fit the others; a weight is
            missing or not finite; an adapter is for another pipeline.
    """
    import torch

    from harness.compute.weights import finite
    from harness.stages.systems.text_to_image.adapters import merge_adapter
    from harness.stages.systems.text_to_image.components import NETWORKS, quiet, read_pipeline
    from harness.stages.systems.text_to_image.foreign_formats import read_single_file

    if adapter is None and adapter_scale != 1.0:
        raise StageError("adapter_scale without an adapter changes nothing; set adapter")
    if config is not None and source.path.is_dir():
        raise StageError(f"{source.text}: a folder has its own configuration; config is for a single file")
    facts: dict[str, Json] = {}
    with quiet():
        if source.path.is_dir():
            pipeline = read_pipeline(source.path, source.text, None)
        else:
            pipeline = read_single_file(source.path, source.text, config.path if config else None)
        networks = {name: getattr(pipeline, name) for name in NETWORKS}
        if adapter is not None:
            stored = {name: network.dtype for name, network in networks.items()}
            for network in networks.values():
                network.to(torch.float32)
            merged = merge_adapter(pipeline, adapter.path, adapter.text, adapter_scale)
            for name, network in networks.items():
                finite(network.to(stored[name]).state_dict(), f"{adapter.text}: merged {name}")
            facts["adapter"] = {"tensors": merged, "scale": adapter_scale}
        folder = job.folder()
        pipeline.save_pretrained(folder, safe_serialization=True)
    return Pipeline(folder, facts={**describe(pipeline), **facts})


def describe(pipeline: StableDiffusionPipeline) -> dict[str, Json]:
    """Facts about a pipeline: sizes, dtypes and prediction type."""
    from harness.stages.systems.text_to_image.components import NETWORKS

    return {
        "parameters": parameters(pipeline),
        "dtype": {name: str(getattr(pipeline, name).dtype).removeprefix("torch.") for name in NETWORKS},
        "scheduler": type(pipeline.scheduler).__name__,
        "prediction_type": pipeline.scheduler.config.get("prediction_type"),
        "size": pipeline.unet.config.sample_size * pipeline.vae_scale_factor,
        "tokens": pipeline.tokenizer.model_max_length,
    }


@stage(version=1, software=("torch", "diffusers", "transformers"))
def cast(pipeline: Pipeline, *, dtype: Precision, job: Job) -> Pipeline:
    """Store all weights in another type, e.g. to halve the size. Other stages compute in their own ``precision``.

    Args:
        pipeline: its networks are rounded; tokenizer and scheduler do not change.
        dtype: type of the weights on disk.
        job: gives the folder.

    Raises:
        StageError: a weight that is not finite in this type.
    """
    from harness.stages.systems.text_to_image.components import open_pipeline, quiet

    opened = open_pipeline(pipeline, dtype=dtype_of(dtype), device="cpu")
    folder = job.folder()
    with quiet():
        opened.save_pretrained(folder, safe_serialization=True)
    return Pipeline(folder, facts=describe(opened))
