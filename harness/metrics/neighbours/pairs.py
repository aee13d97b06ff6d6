"""The generated images that are nearest to a training image, as pictures to look at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifact import Features, Images
from harness.data.image_folder import Writer, rows
from harness.errors import StageError
from harness.metrics.features.vectors import Vectors, pair
from harness.stage import Count, Job, stage

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

GAP = 1 / 32
"""Of the height, between the two pictures."""


@stage(version=1, software=("numpy", "pillow"))
def closest(
    generated: Features,
    training: Features,
    generated_images: Images,
    training_images: Images,
    *,
    count: Count = 8,
    job: Job,
) -> Images:
    """The generated images nearest to a training image, each beside it: generated left, training right.

    Rows are in the order of ``distance``, that of the features, and name the ``generated`` and the ``training``
    image. The smaller picture is enlarged to the height of the other.

    Args:
        generated: features of ``generated_images``.
        training: features of ``training_images``, by the same extractor.
        generated_images: what the generator made.
        training_images: what it was trained on.
        count: how many pairs; all where there are fewer.

    Raises:
        StageError: features of an image that its folder has not, or what ``features.vectors.pair`` refuses.
    """
    import numpy as np

    from harness.metrics.neighbours.distances import nearest

    seen, made = pair(training, generated)
    left, right = _paths(generated_images, made), _paths(training_images, seen)
    found = nearest(made.values, seen.values)
    order = np.argsort(found.squared, kind="stable")[:count].tolist()
    folder = job.folder()
    with Writer(folder) as out:
        for place, i in enumerate(order):
            ours, theirs = made.items[i], seen.items[int(found.index[i])]
            out.add(
                beside(left[ours], right[theirs]),
                f"{place:03d}.png",
                distance=float(np.sqrt(found.squared[i])),
                generated=ours,
                training=theirs,
            )
            job.progress(place + 1, len(order), "pairs")
    return Images(folder, facts={"count": len(order)})


def beside(left: Path, right: Path) -> Picture:
    """Two pictures of equal height on white."""
    from PIL import Image

    pictures = []
    for path in (left, right):
        with Image.open(path) as picture:
            pictures.append(picture.convert("RGB"))
    height = max(p.height for p in pictures)
    one, other = (
        p.resize((round(p.width * height / p.height), height), Image.Resampling.BICUBIC) for p in pictures
    )
    gap = max(1, round(height * GAP))
    sheet = Image.new("RGB", (one.width + gap + other.width, height), "white")
    sheet.paste(one, (0, 0))
    sheet.paste(other, (one.width + gap, 0))
    return sheet


def _paths(images: Images, features: Vectors) -> Mapping[str, Path]:
    """Where each image is; there is one for each feature vector."""
    paths = {row.name: row.path for row in rows(images)}
    missing = [item for item in features.items if item not in paths]
    if missing:
        raise StageError(
            f"{missing[0]}: has features, but {images.path} has no such image "
            f"({len(missing)} of {features.count}); give the images that the features were extracted from"
        )
    return paths
