"""The stages that fine-tune a pipeline's UNet on captioned images, and that open one of its checkpoints."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge

from harness.artifact import CaptionedImages, FinetunedPipeline, Pipeline
from harness.compute.precisions import Precision
from harness.errors import StageError
from harness.stage import Count, Execution, Fraction, Job, NonNegative, Positive, Seed, stage
from harness.stages.systems.text_to_image.augmenting import Augment

_RANK, _ALPHA = 16, 16.0


@stage(version=1, software=("torch", "diffusers", "transformers", "accelerate", "peft"))
def finetune(
    pipeline: Pipeline,
    data: CaptionedImages,
    validation: CaptionedImages | None = None,
    *,
    epochs: Count = 5,
    max_steps: Count | None = None,
    batch_size: Count = 4,
    accumulate: Count = 4,
    lr: Positive = 1e-6,
    optimiser: Literal["adamw", "adafactor"] = "adamw",
    weight_decay: NonNegative = 0.01,
    schedule: Literal["constant", "linear", "cosine"] = "constant",
    warm_up: Annotated[int, Ge(0)] = 0,
    max_norm: Positive = 1.0,
    method: Literal["full", "lora"] = "full",
    rank: Count = _RANK,
    alpha: Positive = _ALPHA,
    text_encoder: bool = False,
    ema: Fraction | None = None,
    caption: Literal["first", "random"] = "random",
    caption_drop: Fraction = 0.0,
    augment: Augment = "none",
    normalisation: Literal["vae", "dataset"] = "vae",
    precision: Precision = "fp32",
    checkpoint_every: Count | None = None,
    gradient_checkpointing: Execution[bool] = False,
    processes: Execution[Count] = 1,
    tracker: Execution[Literal["none", "wandb"]] = "none",
    seed: Seed = 0,
    job: Job,
) -> FinetunedPipeline:
    """Train the UNet to denoise the latents of captioned images (its scheduler's prediction type, mean squared error).

    What a step draws (images, orientations, captions, noise, timesteps) depends on seed and step only, so a killed
    training resumes exactly where it stopped. Changing ``processes``, or trading ``accumulate`` for ``batch_size``,
    changes only the order of sums. Trained weights are fp32 at every precision.

    Args:
        pipeline: the pipeline to start from.
        data: images of one size, with captions.
        validation: held-out images of the same size; their loss is in the history next to the training loss.
            Its noise and timesteps never change, whatever the seed.
        epochs: passes over the data.
        max_steps: maximum number of steps.
        batch_size: images that go through the UNet at once, over all processes.
        accumulate: batches whose gradients are added up for one step of the optimiser.
        lr: highest learning rate of the schedule.
        optimiser: AdamW, or Adafactor (fixed learning rate, no moments kept).
        weight_decay: weight decay of the optimiser.
        schedule: learning rate after warm-up: constant, or falling to 0 at the end.
        warm_up: steps over which the learning rate rises from 0.
        max_norm: gradients are clipped to this norm.
        method: all weights, or low-rank adapters (PEFT) on the attention's projections, merged afterwards; the
            adapter itself is kept in ``adapter/``.
        rank: rank of the adapters; for ``lora`` only.
        alpha: the adapters are scaled by alpha / rank; for ``lora`` only.
        text_encoder: train it too, in full.
        ema: decay of the moving average of the weights that is returned instead of the last ones; null for none.
        caption: an image's first sentence, or a random one at every step.
        caption_drop: share of captions that are replaced by an empty one, for guidance.
        augment: flips and quarter turns at random.
        normalisation: scaling of pixels for the autoencoder. ``vae``: as it expects them, which is [-1, 1] or the
            result of an earlier ``dataset``. ``dataset``: by the data's own mean and deviation per channel. These are
            recorded, undone in the decoder's last layer, and kept in the VAE's configuration for whatever encodes
            images with it. They replace those of an earlier fine-tuning.
        precision: fp32, or mixed bf16/fp16.
        checkpoint_every: steps between the checkpoints that are kept for ``text_to_image.checkpoint``.
        gradient_checkpointing: less memory for more time.
        processes: GPUs, each a process started by ``accelerate launch``; they share ``batch_size``.
        tracker: ``wandb`` logs the losses to Weights & Biases, offline where no key is set.
        seed: seed for everything that is drawn.
        job: provides device, folders and log.

    Raises:
        StageError: images that cannot be read, have no caption or a blank one, differ in size or have an indivisible
            size; a loss that is not finite; not enough memory; a parameter that would have no effect.
    """
    from harness.stages.systems.text_to_image.recipe import Recipe
    from harness.stages.systems.text_to_image.training import finetuned

    if method == "full" and (rank, alpha) != (_RANK, _ALPHA):
        name, value = ("rank", rank) if rank != _RANK else ("alpha", alpha)
        raise StageError(
            f"{name}: {value:g} changes nothing with method: full; remove it or set method: lora"
        )
    recipe = Recipe(
        epochs=epochs,
        max_steps=max_steps,
        batch_size=batch_size,
        accumulate=accumulate,
        lr=lr,
        optimiser=optimiser,
        weight_decay=weight_decay,
        schedule=schedule,
        warm_up=warm_up,
        max_norm=max_norm,
        method=method,
        rank=rank,
        alpha=alpha,
        text_encoder=text_encoder,
        ema=ema,
        caption=caption,
        caption_drop=caption_drop,
        augment=augment,
        normalisation=normalisation,
        precision=precision,
        checkpoint_every=checkpoint_every,
        gradient_checkpointing=gradient_checkpointing,
        tracker=tracker,
        seed=seed,
    )
    return finetuned(recipe, pipeline, data, validation, processes, job)


@stage(version=1, software=("diffusers",))
def checkpoint(of: FinetunedPipeline, *, step: Count, job: Job) -> Pipeline:
    """Open a pipeline as it was after a given step of its training; sweep ``step`` to find the best.

    Args:
        of: a pipeline trained with ``checkpoint_every``.
        step: the step of one of its checkpoints.
        job: gives the folder.

    Raises:
        StageError: there is no checkpoint of that step; the message lists those that exist.
    """
    from harness.stages.systems.text_to_image.recipe import restore

    return restore(of, step, job)
