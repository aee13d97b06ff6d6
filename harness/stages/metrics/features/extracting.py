"""The stage that turns an image folder into features."""

from __future__ import annotations

from typing import Annotated

from harness.artifact import Extractor, Features, Images
from harness.compute.precisions import Precision
from harness.errors import StageError
from harness.stage import Count, Execution, Job, stage
from harness.stages.metrics.features.families import FAMILIES


@stage(version=1, software=("torch", "torchvision", "timm", "transformers", "pillow"))
def extract(
    images: Images,
    extractor: Annotated[Extractor, FAMILIES],
    *,
    batch_size: Execution[Count] = 32,
    precision: Precision = "fp32",
    job: Job,
) -> Features:
    """The features of every image, in file order.

    Images are read ahead by other threads and are never all in memory. If fp32 runs out of memory, the batch is
    halved and the features stay the same.

    Args:
        images: 8-bit RGB.
        extractor: decides how they are prepared.
        batch_size: images at once; in fp32 the features do not depend on it, at half precision it is a condition.
        precision: precision of the network's arithmetic: fp32 (never TF32), or bf16 or fp16 through torch's autocast.
            Features of two precisions are not compared.
        job: gives the device, the folder, the log and the progress.

    Raises:
        StageError: no images, an image that is damaged or not 8-bit RGB or too small for the crop, different sizes
            if the extractor takes images as they are, features that are not finite numbers, out of memory with a
            single image or at half precision.
    """
    from contextlib import closing

    from harness.formats.features import Writer
    from harness.formats.image_folder import rows
    from harness.stages.metrics.features.networks import restore
    from harness.stages.metrics.features.running import Runner, batches, first_size

    first = next(rows(images), None)
    if first is None:
        raise StageError("no images to extract features of")
    description, module = restore(extractor.path)
    seen = first_size(first, description.view)
    identity = _identity(extractor, precision, seen if description.view.size is None else None)
    runner = Runner(module, description.view, batch_size, precision, job)
    count = sum(1 for _ in rows(images))
    folder = job.folder()
    with (
        Writer(folder, description.dim, identity) as out,
        closing(batches(images, description.view, seen, batch_size)) as read,
    ):
        for names, labels, pixels in read:
            out.add(names, labels, runner.features(pixels))
            job.progress(out.count, count, "images")
    made = out.features({"network": description.architecture.text, "precision": precision})
    conditions = {} if precision == "fp32" else {"batch_size": batch_size}
    return Features(made.path, made.facts, conditions)


def _identity(extractor: Extractor, precision: str, size: tuple[int, int] | None) -> str:
    """What must be equal for features to be comparable: the extractor's digest, the precision and the image size."""
    parts = [str(extractor.facts["extractor"])]
    if precision != "fp32":
        parts.append(f"in {precision}")
    if size is not None:
        parts.append(f"at {size[0]}×{size[1]}")
    return " ".join(parts)
