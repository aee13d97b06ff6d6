"""Whether generated images copy training images, by distances compared with unseen real ones; the nearest pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from harness.artifact import Features, Images
from harness.errors import StageError
from harness.formats.features import Vectors, pair
from harness.formats.image_folder import Writer, rows
from harness.stage import Count, Items, Job, LowerShare, Scores, stage

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from harness.stages.metrics.neighbours.distances import Doubles

SAME = 1e-3
"""Fraction of the median distance of held-out images. Anything nearer is the same picture, up to the rounding of
its features, which depends on batch and machine.
"""


@dataclass(frozen=True, kw_only=True)
class MemorisationScores(Scores):
    """Scores for M generated and N held-out images, by each one's distance d to the nearest training image."""

    copies: LowerShare
    """Share of the generated images with d below the held-out images' quantile. It is at most ``quantile`` on average
    for a generator that draws independently from the real distribution, whatever that is.
    """
    duplicates: LowerShare
    """Share of the generated images with d close to 0: unchanged training images."""
    median_ratio: float
    """Median d of the generated images over that of the held-out ones: 1 if as near as unseen images, less if nearer.
    Not gated, because further away is not better.
    """
    data_copying: float
    """Mann–Whitney z of d, generated against held-out (Z_U of Meehan et al. 2020, with all of space as one cell). It is
    about N(0, 1) if neither is nearer, far below 0 for copying, far above for images unlike any real one.
    """


@stage(version=1, software=("numpy",))
def memorisation(
    generated: Features,
    training: Features,
    real: Features,
    *,
    quantile: Annotated[float, Interval(gt=0, le=0.5)] = 0.05,
) -> MemorisationScores:
    """Data copying: distances to the nearest training image, compared with those of held-out real images.

    After Meehan, Chaudhuri and Dasgupta, "A Non-Parametric Test to Detect Data-Copying in Generative Models"
    (2020): real images that were not trained on decide how near is too near. The threshold is their
    ⌊quantile · (N + 1)⌋-th smallest distance, so that a new real image is below it with probability at
    most ``quantile`` at any N.

    Per-item rows are those of the generated images, for copies and duplicates. They are means over independent draws,
    given the held-out and the training images, which two generators share.

    Args:
        generated: images from the generator.
        training: all images that it was trained on; if some are missing, a copy may be missed.
        real: held out from training, of the same distribution, of the same extractor as the other two.
        quantile: the share of new real images that would be called copies.

    Raises:
        StageError: too few held-out images for the quantile, at least half of them in the training images, or the
            errors of ``features.vectors.pair``.
    """
    import numpy as np

    from harness.stages.metrics.neighbours.distances import SLACK, nearest

    seen, made = pair(training, generated)
    _, unseen = pair(training, real)
    rank = math.floor(quantile * (unseen.count + 1) + 1e-9)  # 0.29 · 100 is 28.999999999999996
    if rank < 1:
        needed = math.ceil(1 / quantile) - 1
        raise StageError(
            f"{unseen.count} held-out images have no {quantile:g} quantile; {needed} or more are needed"
        )
    ours = np.sqrt(nearest(made.values, seen.values).squared)
    theirs = np.sort(np.sqrt(nearest(unseen.values, seen.values).squared))
    median, threshold = float(np.median(theirs)), float(theirs[rank - 1])
    if median == 0:
        raise StageError(
            "at least half of the held-out images are in the training images; hold out others, or split first"
        )
    copies = (ours < threshold * (1 - SLACK)).astype(np.float64)
    duplicates = (ours <= SAME * median).astype(np.float64)
    return MemorisationScores(
        copies=float(copies.mean()),
        duplicates=float(duplicates.mean()),
        median_ratio=float(np.median(ours)) / median,
        data_copying=mann_whitney(ours, theirs),
        items=Items(made.items, {"copies": copies.tolist(), "duplicates": duplicates.tolist()}),
        steps={"copies": 1 / made.count, "duplicates": 1 / made.count},
        conditions={"n_real": unseen.count, "n_generated": made.count, "n_training": seen.count},
        details={
            "threshold": threshold,
            "median_distance": {"generated": float(np.median(ours)), "held-out": median},
            "held_out_duplicates": int((theirs <= SAME * median).sum()),
        },
    )


def mann_whitney(ours: Doubles, theirs: Doubles) -> float:
    """Standardised number of pairs in which ours is the larger; ties count half.

    Args:
        ours: (M,), in any order.
        theirs: (N,), ascending.
    """
    import numpy as np

    m, n = len(ours), len(theirs)
    below = (np.searchsorted(theirs, ours, "left") + np.searchsorted(theirs, ours, "right")) / 2
    return (float(below.sum()) - m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12)


GAP = 1 / 32
"""Gap between the two pictures, as a fraction of the height."""


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
    """The generated images nearest to a training image, each next to it: generated left, training right.

    Rows are ordered by ``distance`` between the features, and name the ``generated`` and the ``training`` image. The
    smaller picture is enlarged to the height of the other.

    Args:
        generated: features of ``generated_images``.
        training: features of ``training_images``, by the same extractor.
        generated_images: images from the generator.
        training_images: images that it was trained on.
        count: number of pairs; all if there are fewer.

    Raises:
        StageError: features of an image that is not in its folder, or the errors of ``features.vectors.pair``.
    """
    import numpy as np

    from harness.stages.metrics.neighbours.distances import nearest

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
    """Two pictures of equal height, side by side on white."""
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
    """The path of each image; checks that there is one for each feature vector."""
    paths = {row.name: row.path for row in rows(images)}
    missing = [item for item in features.items if item not in paths]
    if missing:
        raise StageError(
            f"{missing[0]}: has features, but {images.path} has no such image "
            f"({len(missing)} of {features.count}); give the images that the features were extracted from"
        )
    return paths
