"""The stages that train a pipeline's autoencoder and its UNet on images, and that use what was trained."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge

from harness.artifact import CaptionedImages, FinetunedPipeline, GeneratedImages, Images, Json, Pipeline
from harness.compute.precisions import PRECISIONS, Precision, unfit_training
from harness.errors import StageError
from harness.stage import Count, Execution, Fraction, Job, NonNegative, Positive, Seed, stage
from harness.stages.systems.text_to_image.augmenting import Augment


@stage(version=1, software=("torch", "diffusers", "transformers"))
def train_autoencoder(
    pipeline: Pipeline,
    data: tuple[Images, ...],
    *,
    steps: Count,
    batch_size: Count = 16,
    lr: Positive = 1e-3,
    kl: NonNegative = 1e-6,
    augment: Augment = "dihedral",
    precision: Annotated[Literal["fp32", "bf16"], PRECISIONS] = "fp32",
    seed: Seed = 0,
    job: Job,
) -> Pipeline:
    """Train the VAE of a pipeline and whiten its latents.

    The loss is the mean absolute plus the mean squared error of pixels in [-1, 1], plus ``kl`` times the
    divergence of the latents from a standard normal (nats per pixel and channel). It is minimised by AdamW with a
    one-cycle learning rate. Afterwards an exact affine map is folded into the 1 × 1 convolutions on both sides of
    the latents, which gives them mean 0 and covariance 1 over the training images. The diffusion's noise schedule
    then has the same effect in each of their channels.

    Args:
        pipeline: has the autoencoder that is trained; its other parts do not change.
        data: image folders, all of one size.
        steps: steps of the optimiser.
        batch_size: images per step.
        lr: the highest learning rate.
        kl: weight of the divergence.
        augment: flips and quarter turns that are drawn for each step.
        precision: fp32, or bf16 where that is safe.
        seed: seed for order, orientation and the latents' noise.
        job: provides device, folders and log.

    Raises:
        StageError: images that cannot be read, differ in size or have an indivisible size, or a loss that is not
            finite.
    """
    from harness.stages.systems.text_to_image.autoencoding import Recipe, fit, white
    from harness.stages.systems.text_to_image.components import read_pipeline
    from harness.stages.systems.text_to_image.training_data import decode

    opened = read_pipeline(pipeline.path, "the pipeline", None)
    multiple = opened.vae_scale_factor
    frames = decode(data, job.scratch / "frames.npy", multiple, "training", job)
    recipe = Recipe(steps, batch_size, lr, kl, augment, precision, seed)
    history = fit(recipe, opened.vae, frames, job)
    quality = white(opened.vae, frames, job.device)
    folder = job.folder()
    opened.save_pretrained(folder, safe_serialization=True)
    return Pipeline(folder, facts={**pipeline.facts, "autoencoder": quality, "history": history})


@stage(version=1, software=("torch", "diffusers", "transformers", "pillow"))
def reconstruct(
    pipeline: Pipeline, images: CaptionedImages, *, batch_size: Execution[Count] = 16, job: Job
) -> GeneratedImages:
    """Encode and decode images in fp32. What is lost here limits the quality of every sampled image.

    Args:
        pipeline: has the autoencoder.
        images: images of one size that is divisible by the autoencoder's factor.
        batch_size: images at once; the result does not depend on it.
        job: provides device, folders and log.

    Returns:
        One image for each, with its captions and label, under the same name.

    Raises:
        StageError: images that cannot be read, differ in size or have an indivisible size.
    """
    import torch

    from harness.compute.device import exact
    from harness.formats import image_folder
    from harness.stages.systems.text_to_image.components import open_pipeline
    from harness.stages.systems.text_to_image.training_data import Pixels, decode

    opened = open_pipeline(pipeline, dtype=torch.float32, device=job.device)
    frames = decode([images], job.scratch / "frames.npy", opened.vae_scale_factor, "real", job)
    units = Pixels.of(opened.vae)
    rows = list(image_folder.rows(images))
    folder = job.folder()
    with image_folder.Writer(folder) as out, torch.inference_mode(), exact():
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            pixels = units.apply(frames.batch(range(start, start + len(batch))))
            latents = opened.vae.encode(pixels.to(job.device)).latent_dist.mean
            decoded = opened.vae.decode(latents).sample
            for row, picture in zip(batch, opened.image_processor.postprocess(decoded), strict=True):
                columns: dict[str, Json] = {"captions": list(row.captions), "of": row.name}
                out.add(picture, row.name, **columns, **({"label": row.label} if row.label else {}))
            job.progress(start + len(batch), len(rows), "images")
    return GeneratedImages(folder, facts={**images.facts, "count": len(rows)})


_RANK, _ALPHA = 16, 16.0


@stage(
    version=1,
    software=("torch", "diffusers", "transformers", "accelerate", "peft"),
    unfit=unfit_training,
)
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
        precision: fp32, or mixed bf16/fp16; fp16 on GPUs only.
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
