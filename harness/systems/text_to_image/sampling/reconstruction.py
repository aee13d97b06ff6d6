"""The stage that sends images through a pipeline's autoencoder: the best that its generator could do."""

from __future__ import annotations

from harness.artifact import CaptionedImages, GeneratedImages, Json, Pipeline
from harness.stage import Count, Execution, Job, stage


@stage(version=1, software=("torch", "diffusers", "transformers", "pillow"))
def reconstruct(
    pipeline: Pipeline, images: CaptionedImages, *, batch_size: Execution[Count] = 16, job: Job
) -> GeneratedImages:
    """Encode images and decode them again, in fp32: what is lost here, no prompt and no sampler brings back.

    Args:
        pipeline: has the autoencoder.
        images: of one size that the autoencoder divides.
        batch_size: images at once; the result does not depend on it.
        job: the runner's side.

    Returns:
        One image for each, with its captions and label, under the same name.

    Raises:
        StageError: images that cannot be read, differ in size or do not divide.
    """
    import torch

    from harness.compute.arithmetic import exact
    from harness.data import image_folder
    from harness.systems.text_to_image.pipelines.components import open_pipeline
    from harness.systems.text_to_image.pipelines.normalisation import Pixels
    from harness.systems.text_to_image.training.frames import decode

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
