"""The stages for a pipeline's autoencoder: one trains it, one reconstructs images with it."""

from __future__ import annotations

from typing import Annotated, Literal

from harness.artifact import CaptionedImages, GeneratedImages, Images, Json, Pipeline
from harness.compute.precisions import PRECISIONS
from harness.stage import Count, Execution, Job, NonNegative, Positive, Seed, stage
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
    from harness.stages.systems.text_to_image.normalisation import Pixels
    from harness.stages.systems.text_to_image.training_data import decode

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
