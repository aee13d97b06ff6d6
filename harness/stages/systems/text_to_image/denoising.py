"""A denoiser that learns: the data that a step draws, the loss of its prediction, and what a step does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTokenizer

from harness.artifact import Json
from harness.compute.precisions import Precision, dtype_of
from harness.compute.seeds import mixed
from harness.compute.training import Stateful
from harness.errors import StageError
from harness.stages.systems.text_to_image.augmenting import ORIENTATIONS
from harness.stages.systems.text_to_image.components import read_pipeline
from harness.stages.systems.text_to_image.recipe import CHECKPOINTS, Recipe, trainable
from harness.stages.systems.text_to_image.training_data import Latents, Prepared, Side

LEVELS = 4
"""Number of evenly spaced timesteps at which the loss of each held-out image is measured."""


class Denoiser(torch.nn.Module):
    """UNet and text encoder as one module, so that one wrapper distributes both."""

    def __init__(self, unet: torch.nn.Module, text_encoder: torch.nn.Module) -> None:
        super().__init__()
        self.unet = unet
        self.text_encoder = text_encoder

    def forward(self, noisy: Tensor, timesteps: Tensor, tokens: Tensor) -> Tensor:
        """Prediction (B, C, h, w) for noisy latents of that shape, timesteps (B,) and tokens (B, T)."""
        text = self.text_encoder(tokens)[0]
        predicted: Tensor = self.unet(noisy, timesteps, text).sample
        return predicted


@dataclass(frozen=True)
class Batch:
    """Noisy latents, and the target of the prediction."""

    noisy: Tensor
    target: Tensor
    timesteps: Tensor
    tokens: Tensor

    def part(self, number: int, parts: int) -> Batch:
        """The ``number``-th of ``parts`` equal parts."""
        return Batch(
            *(t.chunk(parts)[number] for t in (self.noisy, self.target, self.timesteps, self.tokens))
        )

    def loss(self, denoiser: torch.nn.Module) -> Tensor:
        """Mean squared error of the prediction."""
        device = next(denoiser.parameters()).device
        noisy = self.noisy.to(device).contiguous(memory_format=torch.channels_last)
        predicted = denoiser(noisy, self.timesteps.to(device), self.tokens.to(device))
        return torch.nn.functional.mse_loss(predicted.float(), self.target.to(device))


@dataclass(frozen=True)
class Drawing:
    """Draws the batch of a step from seed and step only: neither resuming nor more processes change it."""

    recipe: Recipe
    captions: Sequence[Sequence[str]]
    """Captions of each image."""
    latents: Latents
    noise: DDPMScheduler
    tokenizer: CLIPTokenizer

    def step(self, step: int) -> Batch:
        """All images of one step of the optimiser, ``recipe.per_step`` of them."""
        recipe = self.recipe
        generator = torch.Generator().manual_seed(mixed(recipe.seed, step))
        first = step * recipe.per_step
        images = recipe.drawn(len(self.captions), range(first, first + recipe.per_step))
        count = len(ORIENTATIONS[recipe.augment])
        orientations = torch.randint(count, (len(images),), generator=generator).tolist()
        shape = (len(images), self.latents.moments.shape[2] // 2, *self.latents.moments.shape[3:])
        latents = self.latents.sample(images, orientations, torch.randn(shape, generator=generator))
        timesteps = torch.randint(self.noise.config.num_train_timesteps, (len(images),), generator=generator)
        which, dropped = torch.rand(2, len(images), generator=generator).tolist()
        captions = [
            "" if drop < recipe.caption_drop else self._caption(image, at)
            for image, at, drop in zip(images, which, dropped, strict=True)
        ]
        added = torch.randn(latents.shape, generator=generator)
        return batch(self.noise, self.tokenizer, latents, timesteps, captions, added)

    def _caption(self, image: int, at: float) -> str:
        captions = self.captions[image]
        return captions[0 if self.recipe.caption == "first" else int(at * len(captions))]


def batch(
    noise: DDPMScheduler,
    tokenizer: CLIPTokenizer,
    latents: Tensor,
    timesteps: Tensor,
    captions: Sequence[str],
    added: Tensor,
) -> Batch:
    """Add the noise of ``timesteps`` to ``latents``; the target follows from the scheduler's prediction type.

    Raises:
        StageError: a prediction type that is not one of Stable Diffusion's.
    """
    kind = noise.config.prediction_type
    targets: dict[str, Any] = {
        "epsilon": lambda: added,
        "v_prediction": lambda: noise.get_velocity(latents, added, timesteps),
        "sample": lambda: latents,
    }
    if kind not in targets:
        raise StageError(f"the pipeline's scheduler predicts {kind!r}; expected one of {', '.join(targets)}")
    tokens = tokenizer(
        list(captions),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return Batch(noise.add_noise(latents, added, timesteps), targets[kind](), timesteps, tokens)


@torch.no_grad()
def held_out_loss(drawing: Drawing, denoiser: torch.nn.Module) -> float:
    """Mean loss over the held-out images at ``LEVELS`` noise levels each; an image's noise is always the same."""
    total, size, count = 0.0, drawing.recipe.batch_size, len(drawing.captions)
    training = drawing.noise.config.num_train_timesteps
    for start in range(0, count, size):
        images = list(range(start, min(start + size, count)))
        captions = [drawing.captions[i][0] for i in images]
        for level in range(LEVELS):
            timesteps = torch.full((len(images),), int((level + 0.5) * training / LEVELS))
            latents = drawing.latents.mean(images)
            added = torch.stack([_noise(latents.shape[1:], image, level) for image in images])
            held = batch(drawing.noise, drawing.tokenizer, latents, timesteps, captions, added)
            total += float(held.loss(denoiser)) * len(images)
    return total / (count * LEVELS)


def _noise(shape: torch.Size, image: int, level: int) -> Tensor:
    """Noise of a held-out image at a level, independent of its batch."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(mixed(0, image, level)))


class DiffusionLearner:
    """A denoiser that is trained, in one process of several or alone."""

    recipe: Recipe
    precision: Precision

    def __init__(
        self, recipe: Recipe, pipeline: Path, data: Prepared, accelerator: Accelerator, scratch: Path
    ) -> None:
        self.recipe, self.scratch = recipe, scratch
        self.precision = recipe.precision
        self.accelerator = accelerator
        self.steps = recipe.steps(len(data.training.captions))
        opened = read_pipeline(pipeline, "the pipeline", torch.float32)
        noise = DDPMScheduler.from_config(opened.scheduler.config)

        def drawing(side: Side) -> Drawing:
            return Drawing(recipe, side.captions, side.latents, noise, opened.tokenizer)

        self.drawing = drawing(data.training)
        self.held_out = drawing(data.held_out) if data.held_out else None
        self.trained = trainable(recipe, opened)
        opened.unet.to(memory_format=torch.channels_last)  # a fifth faster on CPUs
        network = Denoiser(opened.unet, opened.text_encoder)
        if recipe.precision != "fp32" and not recipe.text_encoder:
            network.text_encoder.to(dtype_of(recipe.precision))
        parameters = self.trained.parameters()
        self.ema = Average(parameters, decay=recipe.ema) if recipe.ema is not None else None
        optimizer = _optimizer(recipe, parameters)
        self.rate = recipe.rate(optimizer, self.steps)
        self.lr = 0.0
        """Learning rate of the step before."""
        self.network, self.optimizer = accelerator.prepare(network, optimizer)
        if self.ema is not None:
            self.ema.to(accelerator.device)
        self._track()

    @property
    def parts(self) -> Mapping[str, Stateful]:
        parts: dict[str, Any] = {"weights": self.trained, "optimizer": self.optimizer, "rate": self.rate}
        if self.ema is not None:
            parts["ema"] = self.ema
        if self.accelerator.scaler is not None:
            parts["scaler"] = self.accelerator.scaler
        return parts

    def step(self, step: int) -> tuple[float, int]:
        """Do one step of the optimiser, keep a checkpoint if one is due, and return the mean loss as one number."""
        accelerator, recipe = self.accelerator, self.recipe
        whole, losses = self.drawing.step(step), []
        self.network.train()
        for number in range(recipe.accumulate):
            part = whole.part(number, recipe.accumulate)
            part = part.part(accelerator.process_index, accelerator.num_processes)
            with accelerator.accumulate(self.network):
                loss = part.loss(self.network)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(self.trained.parameters(), recipe.max_norm)
                self.optimizer.step()
                self.optimizer.zero_grad()
            losses.append(loss.detach())
        self.lr = self.rate.get_last_lr()[0]
        self.rate.step()
        if self.ema is not None:
            self.ema.step(self.trained.parameters())
        every = recipe.checkpoint_every
        if accelerator.is_main_process and every and (step + 1) % every == 0:
            self.save(self.scratch / CHECKPOINTS / f"{step + 1}.safetensors")
        return float(accelerator.reduce(torch.stack(losses).mean(), reduction="mean")), 1

    def note(self, row: dict[str, Json], look: bool) -> None:
        """Add the learning rate of the step, and the held-out loss."""
        row["lr"] = self.lr
        row["validation_loss"] = self._look(self.held_out) if self.held_out and look else None
        self.accelerator.log(
            {k: v for k, v in row.items() if v is not None and k != "step"}, step=row["step"]
        )

    def _look(self, held_out: Drawing) -> float:
        """The held-out loss of the weights that would be saved now."""
        self.network.eval()
        if self.ema is None:
            return float(held_out_loss(held_out, self.network))
        self.ema.store(self.trained.parameters())
        self.ema.copy_to(self.trained.parameters())
        loss = float(held_out_loss(held_out, self.network))
        self.ema.restore(self.trained.parameters())
        return loss

    def save(self, file: Path) -> None:
        """Save the trained weights, or their moving average, in fp32."""
        file.parent.mkdir(exist_ok=True)
        weights = dict(zip(self.trained.found, self.ema.shadow_params, strict=True)) if self.ema else {}
        state = weights or self.trained.state_dict()
        torn = file.with_suffix(".torn")
        save_file({n: t.detach().float().cpu().contiguous() for n, t in state.items()}, torn)
        torn.replace(file)

    def _track(self) -> None:
        if self.recipe.tracker == "none":
            return
        if "WANDB_API_KEY" not in os.environ:
            os.environ.setdefault("WANDB_MODE", "offline")
        self.accelerator.init_trackers(
            "harness", config=self.recipe.to_json(), init_kwargs={"wandb": {"dir": str(self.scratch)}}
        )


class Average(EMAModel):
    """A moving average that stays on its device when a saved state, which is on the CPU, is restored."""

    def load_state_dict(self, state_dict: Any) -> None:
        device = self.shadow_params[0].device
        super().load_state_dict(state_dict)
        self.to(device)


def _optimizer(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)
    return torch.optim.Adafactor(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)
