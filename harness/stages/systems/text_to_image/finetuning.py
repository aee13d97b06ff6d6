"""The stages that train a pipeline's UNet on captioned images, and that pick one of its checkpoints."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge

from harness.artifact import CaptionedImages, FinetunedPipeline, Pipeline
from harness.compute.precisions import Precision
from harness.errors import StageError
from harness.stage import Count, Execution, Fraction, Job, NonNegative, Positive, Seed, stage
from harness.stages.systems.text_to_image.augmenting import Augment
from harness.stages.systems.text_to_image.recipe import Recipe

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

    What a step draws (images, orientations, captions, noise, timesteps) follows from seed and step alone, so
    a killed training goes on exactly where it was, and neither ``processes`` nor ``accumulate`` against
    ``batch_size`` changes what is learnt but for the order of sums. Trained weights are fp32 at every precision.

    Args:
        pipeline: where training starts.
        data: images of one size, with captions.
        validation: held-out images, of the same size; their loss stands beside the training's in the history.
            Its noise and timesteps never change, whatever the seed.
        epochs: passes over the data.
        max_steps: stop there, if the passes take more.
        batch_size: images that go through the UNet at once, over all processes.
        accumulate: batches whose gradients are added up to one step of the optimiser.
        lr: learning rate, the highest of the schedule.
        optimiser: AdamW, or Adafactor (fixed learning rate, no moments kept).
        weight_decay: of the optimiser.
        schedule: of the learning rate after warm-up: constant, or falling to 0 at the end.
        warm_up: steps over which the learning rate rises from 0.
        max_norm: gradients are clipped to this norm.
        method: all weights, or low-rank adapters (PEFT) on the attention's projections, merged afterwards; the
            adapter itself is kept in ``adapter/``.
        rank: of the adapters; for ``lora`` alone.
        alpha: of the adapters; they are scaled by alpha / rank. For ``lora`` alone.
        text_encoder: train it too, in full.
        ema: decay of the moving average of the weights that is returned instead of the last ones; null for none.
        caption: an image's first sentence, or one of them at random at every step.
        caption_drop: share of captions that are left empty, for guidance.
        augment: flips and quarter turns at random.
        normalisation: of pixels for the autoencoder: as it expects them (``vae``), which is [-1, 1] or what an earlier
            ``dataset`` left, or by the data's own mean and deviation by channel. These are recorded, undone in the
            decoder's last layer, and kept in the VAE's configuration for whatever encodes images with it; those of
            an earlier fine-tuning they replace.
        precision: fp32, or mixed bf16/fp16.
        checkpoint_every: steps between the checkpoints that are kept for ``text_to_image.checkpoint``.
        gradient_checkpointing: less memory for more time.
        processes: GPUs, each a process started by ``accelerate launch``; they share ``batch_size``.
        tracker: ``wandb`` logs the losses to Weights & Biases, offline where no key is set.
        seed: of everything that is drawn.
        job: the runner's side.

    Raises:
        StageError: images that cannot be read, have no caption or a blank one, differ in size or do not divide; a
            loss that is not finite; not enough memory; a parameter that would do nothing.
    """
    from harness.stages.systems.text_to_image.loop import train

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
    return train(recipe, pipeline, data, validation, processes, job)


@stage(version=1, software=("diffusers",))
def checkpoint(of: FinetunedPipeline, *, step: Count, job: Job) -> Pipeline:
    """A pipeline as it was after so many steps of its training; sweep ``step`` to ask which is best.

    Args:
        of: trained with ``checkpoint_every``.
        step: one of its checkpoints.
        job: gives the folder.

    Raises:
        StageError: no checkpoint was kept there; the message says where there are some.
    """
    from harness.stages.systems.text_to_image.checkpoints import restore

    return restore(of, step, job)
