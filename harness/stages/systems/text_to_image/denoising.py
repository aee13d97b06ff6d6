"""One step of a fine-tuning: the data that it draws, and the loss of its prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor
from transformers import CLIPTokenizer

from harness.compute.resume import mixed
from harness.errors import StageError
from harness.stages.systems.text_to_image.augmenting import ORIENTATIONS
from harness.stages.systems.text_to_image.recipe import Recipe
from harness.stages.systems.text_to_image.training_data import Latents

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
