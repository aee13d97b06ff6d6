"""The stage that trains a pipeline's autoencoder: from pixels to latents and back."""

from __future__ import annotations

from typing import Annotated, Literal

from harness.artifact import Images, Pipeline
from harness.compute.precisions import PRECISIONS
from harness.stage import Count, Job, NonNegative, Positive, Seed, stage
from harness.systems.text_to_image.training.augmenting import Augment


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
    """Train the VAE of a pipeline, and make its latents white.

    The loss is the mean absolute plus the mean squared error of pixels in [-1, 1], plus ``kl`` times the
    divergence of the latents from a standard normal (nats per pixel and channel), by AdamW under a one-cycle
    learning rate. Afterwards an exact affine map is folded into the 1 × 1 convolutions on both sides of the
    latents, after which these have mean 0 and covariance 1 over the training images: the diffusion's noise
    schedule then means the same in each of their channels.

    Args:
        pipeline: has the autoencoder that is trained; its other parts stay as they are.
        data: image folders, all of one size.
        steps: of the optimiser.
        batch_size: images per step.
        lr: the highest learning rate.
        kl: weight of the divergence.
        augment: flips and quarter turns that are drawn for each step.
        precision: fp32, or bf16 where that is safe.
        seed: of order, orientation and the latents' noise.
        job: the runner's side.

    Raises:
        StageError: images that cannot be read, differ in size or do not divide, or a loss that is not finite.
    """
    from harness.systems.text_to_image.pipelines.components import read_pipeline
    from harness.systems.text_to_image.training.autoencoding import Recipe, fit, white
    from harness.systems.text_to_image.training.frames import decode

    opened = read_pipeline(pipeline.path, "the pipeline", None)
    multiple = opened.vae_scale_factor
    frames = decode(data, job.scratch / "frames.npy", multiple, "training", job)
    recipe = Recipe(steps, batch_size, lr, kl, augment, precision, seed)
    history = fit(recipe, opened.vae, frames, job)
    quality = white(opened.vae, frames, job.device)
    folder = job.folder()
    opened.save_pretrained(folder, safe_serialization=True)
    return Pipeline(folder, facts={**pipeline.facts, "autoencoder": quality, "history": history})
