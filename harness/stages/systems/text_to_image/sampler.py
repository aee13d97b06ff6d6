"""Samples batches of images with diffusers' own loop, measures the cost, and checks for NaN and infinity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from harness.artifact import EncodedPrompts, Pipeline
from harness.compute.device import Meter, Usage, exact, is_out_of_memory
from harness.compute.precisions import PRECISIONS, Precision, dtype_of
from harness.errors import StageError
from harness.formats import image_folder
from harness.formats.image_folder import Row
from harness.stage import Job
from harness.stages.systems.text_to_image.components import open_pipeline, quiet
from harness.stages.systems.text_to_image.encoding import EMBEDDINGS
from harness.stages.systems.text_to_image.schedulers import Scheduler, scheduler_for

_ADVICE = "look at the losses of the pipeline's training, or try a lower guidance"


@dataclass(frozen=True)
class Settings:
    """How to sample, as the stage's parameters say."""

    scheduler: Scheduler
    steps: int
    guidance: float
    size: int | None
    precision: Precision
    seed: int


@dataclass(frozen=True)
class Cost:
    """Cost of one batch, including decoding but not loading and writing."""

    evaluations: int
    """Number of evaluations of the network for each image."""
    images: int
    usage: Usage


@dataclass(frozen=True)
class Batch:
    """Some images and their cost."""

    pixels: NDArray[np.uint8]
    """(B, H, W, 3)."""
    cost: Cost


class Sampler:
    """A pipeline on its device with the requested scheduler.

    Raises:
        StageError: prompts of another text encoder, or an impossible size, scheduler or number of steps.
    """

    settings: Settings

    def __init__(self, pipeline: Pipeline, prompts: EncodedPrompts, settings: Settings, job: Job) -> None:
        self.settings, self.job = settings, job
        self.prompts = prompts.path / EMBEDDINGS
        self.pipe: Any = open_pipeline(pipeline, dtype=dtype_of(settings.precision), device=job.device)
        self.pipe.scheduler = scheduler_for(settings.scheduler, self.pipe.scheduler, settings.steps)
        self.height, self.width = _size(self.pipe, settings.size)
        self.evaluations = 0
        self.pipe.unet.register_forward_hook(self._evaluated)
        self._check_prompts(next(image_folder.rows(prompts)))

    def draw(self, rows: Sequence[Row], first: int, total: int) -> Batch | None:
        """Images for consecutive rows; None if they do not fit into memory at once.

        Args:
            rows: rows of the encoded prompts.
            first: index of the first row; the noise depends on it.
            total: total number of rows, for the progress.

        Raises:
            StageError: an image is not finite.
        """
        try:
            return self._draw(rows, first, total)
        except (RuntimeError, MemoryError) as e:
            if not is_out_of_memory(e):
                raise
        # Outside of the handler, because the exception keeps references to what filled the memory.
        if self.job.device != "cpu":
            torch.cuda.empty_cache()
        return None

    def _draw(self, rows: Sequence[Row], first: int, total: int) -> Batch:
        generators = [generator(self.settings.seed, first + i) for i in range(len(rows))]
        self.evaluations = 0
        with Meter(self.job.device) as meter, torch.inference_mode(), exact():
            images = self.pipe(
                prompt_embeds=self._embeddings("prompts", [int(str(row.columns["row"])) for row in rows]),
                negative_prompt_embeds=self._embeddings("negative", [0] * len(rows)),
                latents=self._noise(generators),
                generator=generators,  # continues after the initial noise, for schedulers that add more
                height=self.height,
                width=self.width,
                num_inference_steps=self.settings.steps,
                guidance_scale=self.settings.guidance,
                output_type="np",
                callback_on_step_end=self._watcher(rows, first, total),
            ).images
        self._refuse_not_finite(np.isfinite(images).reshape(len(rows), -1).all(axis=1), rows)
        cost = Cost(self.evaluations, len(rows), meter.usage)
        return Batch((images * 255).round().astype(np.uint8), cost)

    def _noise(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Initial noise, drawn on the CPU in fp32, so that it is the same at every precision and on every device."""
        factor = self.pipe.vae_scale_factor
        shape = (1, self.pipe.unet.config.in_channels, self.height // factor, self.width // factor)
        noise = torch.cat([torch.randn(shape, generator=g) for g in generators])
        return noise.to(self.job.device, dtype_of(self.settings.precision))

    def _embeddings(self, name: str, indices: Sequence[int]) -> Tensor:
        """Embeddings of these rows; only they are read from the file."""
        with safe_open(self.prompts, "pt") as stored:
            rows = stored.get_slice(name)
            chosen = torch.cat([rows[i : i + 1] for i in indices])
        return chosen.to(self.job.device, dtype_of(self.settings.precision))

    def _evaluated(self, *_: object) -> None:
        self.evaluations += 1

    def _watcher(self, rows: Sequence[Row], first: int, total: int) -> Any:
        """The callback of diffusers after every evaluation: reports progress and checks the last latents."""

        def watch(pipe: Any, step: int, _time: object, given: dict[str, Tensor]) -> dict[str, Tensor]:
            every = pipe.num_timesteps
            self.job.progress(first * every + len(rows) * (step + 1), total * every, "denoising steps")
            if step + 1 == every:
                finite = given["latents"].isfinite().flatten(start_dim=1).all(dim=1)
                self._refuse_not_finite(finite.cpu().numpy(), rows)
            return {}

        return watch

    def _refuse_not_finite(self, finite: NDArray[np.bool_], rows: Sequence[Row]) -> None:
        if finite.all():
            return
        first = rows[int(finite.argmin())]
        wider = PRECISIONS[self.settings.precision].wider
        advice = f"try precision: {wider}" if wider else _ADVICE
        raise StageError(
            f"{first.name} ({first.columns['prompt']!r}): numbers that are not finite in {self.settings.precision}, "
            f"with "
            f"{self.settings.scheduler}, {self.settings.steps} steps, guidance {self.settings.guidance:g}; "
            f"{advice}"
        )

    def _check_prompts(self, first: Row) -> None:
        """Check that the pipeline's text encoder gives the same for the first prompt; equal widths are not enough."""
        with safe_open(self.prompts, "pt") as stored:
            width = stored.get_slice("prompts").get_shape()[2]
        taken = self.pipe.unet.config.cross_attention_dim
        if width != taken:
            raise StageError(
                f"prompts: encoded in {width} features by another pipeline; this one takes {taken}"
            )
        theirs = self._embeddings("prompts", [int(str(first.columns["row"]))]).float()
        with torch.inference_mode(), exact(), quiet():
            ours, _ = self.pipe.encode_prompt(
                str(first.columns["prompt"]), self.job.device, 1, do_classifier_free_guidance=False
            )
        apart = float((ours.float() - theirs).norm() / theirs.norm())
        if apart > PRECISIONS[self.settings.precision].rounding:
            raise StageError(
                f"prompts: encoded by another text encoder than this pipeline's ({apart:.0%} apart); encode them "
                "with the pipeline that samples them"
            )


def generator(seed: int, index: int) -> torch.Generator:
    """Generator for one image, on the CPU. Its seed is a hash of seed and index, so that no images share noise, even
    across seeds.
    """
    digest = sha256(f"{seed}:{index}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _size(pipe: Any, size: int | None) -> tuple[int, int]:
    """Height and width in pixels."""
    factor = pipe.vae_scale_factor
    if size is None:
        own = pipe.unet.config.sample_size
        height, width = (own, own) if isinstance(own, int) else own
        return height * factor, width * factor
    unit = math.lcm(8, factor)  # diffusers refuses anything but multiples of 8
    if size % unit:
        below = size // unit * unit
        near = f"{below} or {below + unit}" if below else str(unit)
        raise StageError(
            f"size: {size} is not a multiple of {unit}, as this pipeline needs; the nearest: {near}"
        )
    return size, size
