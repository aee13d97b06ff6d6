"""The recipe of a fine-tuning, the weights that it trains, and how they are put back into a pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file

from harness.artifact import FinetunedPipeline, Pipeline
from harness.compute.precisions import Precision
from harness.compute.training import Optimisation, Trainable
from harness.errors import StageError
from harness.stage import Job
from harness.stages.systems.text_to_image.augmenting import Augment
from harness.stages.systems.text_to_image.components import read_network, read_pipeline

CHECKPOINTS, BASE, RECIPE = "checkpoints", "base", "recipe.json"
_ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]


@dataclass(frozen=True, kw_only=True)
class Recipe(Optimisation):
    """The parameters of ``text_to_image.finetune``, which documents them."""

    optimiser: Literal["adamw", "adafactor"]
    method: Literal["full", "lora"]
    rank: int
    alpha: float
    text_encoder: bool
    ema: float | None
    caption: Literal["first", "random"]
    caption_drop: float
    augment: Augment
    normalisation: Literal["vae", "dataset"]
    checkpoint_every: int | None
    tracker: Literal["none", "wandb"]

    def steps(self, rows: int) -> int:
        """As for every fine-tuning.

        Raises:
            StageError: the warm-up or the first checkpoint would come after the last step.
        """
        steps = super().steps(rows)
        if self.checkpoint_every and self.checkpoint_every > steps:
            raise StageError(f"checkpoint_every: {self.checkpoint_every} is more than all {steps} steps")
        return steps

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Recipe:
        """Read what ``to_json`` wrote; its values were validated there."""
        augment: Augment = told["augment"]
        precision: Precision = told["precision"]
        rest = {name: value for name, value in told.items() if name not in ("augment", "precision")}
        return cls(**rest, augment=augment, precision=precision)


def trainable(recipe: Recipe, pipeline: StableDiffusionPipeline) -> Trainable:
    """Freeze what is not trained, and add adapters for LoRA; names begin with ``unet.`` or ``text_encoder.``."""
    networks = {"unet": pipeline.unet, "text_encoder": pipeline.text_encoder}
    for network in networks.values():
        network.requires_grad_(False)
    if recipe.method == "lora":
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(recipe.seed)
            pipeline.unet.add_adapter(
                LoraConfig(
                    r=recipe.rank,
                    lora_alpha=recipe.alpha,
                    init_lora_weights="gaussian",
                    target_modules=_ATTENTION,
                )
            )
        for config in pipeline.unet.peft_config.values():
            config.target_modules = sorted(
                config.target_modules
            )  # a set, whose order differs between processes
    else:
        pipeline.unet.requires_grad_(True)
    if recipe.text_encoder:
        pipeline.text_encoder.requires_grad_(True)
    if recipe.gradient_checkpointing:
        pipeline.unet.enable_gradient_checkpointing()
        if recipe.text_encoder:
            pipeline.text_encoder.gradient_checkpointing_enable()
    return Trainable.among(
        (f"{part}.{name}", p) for part, network in networks.items() for name, p in network.named_parameters()
    )


def put_into(pipeline: StableDiffusionPipeline, recipe: Recipe, weights: Path, adapter: Path | None) -> None:
    """Put saved fp32 weights into a pipeline. An adapter is merged, and also saved in ``adapter`` if that is given."""
    pipeline.unet.to(torch.float32)
    if recipe.text_encoder:
        pipeline.text_encoder.to(torch.float32)
    trainable(recipe, pipeline).load_state_dict(load_file(weights))
    if recipe.method == "lora":
        if adapter is not None:
            pipeline.save_lora_weights(
                adapter,
                unet_lora_layers=get_peft_model_state_dict(pipeline.unet),
                unet_lora_adapter_metadata=next(iter(pipeline.unet.peft_config.values())).to_dict(),
            )
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()


def restore(of: FinetunedPipeline, step: int, job: Job) -> Pipeline:
    """See ``text_to_image.checkpoint``."""
    kept = sorted(int(file.stem) for file in (of.path / CHECKPOINTS).glob("*.safetensors"))
    if step not in kept:
        there = ", ".join(map(str, kept)) or "none: it was trained without checkpoint_every"
        raise StageError(f"no checkpoint of step {step}; there are {there}")
    recipe = Recipe.from_json(json.loads((of.path / RECIPE).read_text(encoding="utf-8")))
    pipeline = read_pipeline(of.path, "the pipeline", None)
    if recipe.method == "lora":  # an adapter must be added to the weights it was trained on
        unet = read_network(of.path / BASE, "the weights before training", type(pipeline.unet), None)
        pipeline.register_modules(unet=unet)
    put_into(pipeline, recipe, of.path / CHECKPOINTS / f"{step}.safetensors", None)
    folder = job.folder()
    pipeline.save_pretrained(folder, safe_serialization=True)
    return Pipeline(folder, facts={"step": step})
