"""Metrics from nearest neighbours: how real and how varied generated images are, and whether they are copies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from harness.artifact import Features, Images
from harness.compute.influence import GENERATED, REAL, jackknife, named, rows
from harness.errors import StageError
from harness.formats import image_folder
from harness.formats.features import Vectors, pair
from harness.formats.image_folder import Writer
from harness.formats.opening import read_rgb
from harness.stage import Count, Higher, HigherShare, Items, Job, LowerShare, Scores, stage

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

    from harness.stages.metrics.neighbours.distances import Doubles


@dataclass(frozen=True, kw_only=True)
class ManifoldScores(Scores):
    """Scores for N real and M generated images; all but the density are in [0, 1].

    A real image's ball reaches to its k-th nearest other real image, a generated image's ball to its
    k-th nearest other generated image. Points on the boundary are in the ball (≤), as Kynkäänniemi et al. define it
    (equation 1 and their code), for all four fields. The code of Naeem et al. (``prdc``) has < for all four. The two
    differ where distances tie: with <, images that are all equal have a precision of 0 against themselves; with ≤, the
    density of a set against itself is (k + 1) / k, not 1.
    """

    precision: HigherShare
    """Share of the generated images in a real image's ball (Kynkäänniemi et al. 2019): whether they look real."""
    recall: HigherShare
    """Share of the real images in a generated image's ball (ibid.): whether all of them can be generated."""
    density: Higher
    """Mean number of real balls that hold a generated image, divided by k (Naeem et al. 2020). It is about 1 if the two
    distributions are equal, more if generated images crowd around typical real ones. Real outliers weigh less than
    in precision.
    """
    coverage: HigherShare
    """Share of the real images whose ball holds a generated one (ibid.). Generated outliers, which inflate recall,
    have no effect.
    """


@stage(version=1, software=("numpy",))
def manifold(real: Features, generated: Features, *, k: Count = 5) -> ManifoldScores:
    """Precision, recall, density and coverage by k-nearest-neighbour balls in feature space.

    All four depend on the number of images on either side, so these numbers are conditions of the score. The details
    have the expected coverage of a perfect generator at these numbers, and the median radius of the balls: that of
    the generated images is small if the generator has collapsed.

    The rows behind all four are the jackknife's, over real and generated images: what each score loses without the
    image. Its ball is then removed, and its neighbours' balls grow. A neighbour's radius does not change smoothly, so
    there is no infinitesimal jackknife; this one is too wide rather than too narrow on average.

    Args:
        real: what the generated images should be like.
        generated: features from the same extractor.
        k: the neighbour that a ball reaches to. Kynkäänniemi et al. take 3, Naeem et al. 5.

    Raises:
        StageError: not more than k + 1 images on a side, or the errors of ``formats.features.pair``.
    """
    import numpy as np

    from harness.stages.metrics.neighbours.distances import balls, membership

    ours, theirs = pair(real, generated)
    for side, vectors in (("real", ours), ("generated", theirs)):
        if vectors.count <= k + 1:
            raise StageError(
                f"{vectors.count} {side} images have no neighbour number {k + 1}; k must be at most {vectors.count - 2}"
            )
    real_balls, generated_balls = balls(ours.values, k), balls(theirs.values, k)
    found = membership(ours.values, theirs.values, real_balls)
    back = membership(theirs.values, ours.values, generated_balls)
    looks_real, reached, covered = found.around > 0, back.around > 0, found.holds > 0
    density = found.around / k
    values = {
        "precision": float(looks_real.mean()),
        "recall": float(reached.mean()),
        "density": float(density.mean()),
        "coverage": float(covered.mean()),
    }
    influences = {
        "precision": (jackknife(found.held_without.tolist()), _own(looks_real)),
        "recall": (_own(reached), jackknife(back.held_without.tolist())),
        "density": (jackknife((found.around_without / k).tolist()), _own(density)),
        "coverage": (
            jackknife(found.holding_without.tolist()),
            jackknife(found.holding_without_point.tolist()),
        ),
    }
    n, m = ours.count, theirs.count
    return ManifoldScores(
        precision=values["precision"],
        recall=values["recall"],
        density=values["density"],
        coverage=values["coverage"],
        items=Items(
            named({REAL: ours.items, GENERATED: theirs.items}),
            {name: rows(values[name], *of_sides) for name, of_sides in influences.items()},
        ),
        steps={"precision": 1 / m, "recall": 1 / n, "density": 1 / (k * m), "coverage": 1 / n},
        conditions={"n_real": n, "n_generated": m},
        details={
            "expected_coverage": expected_coverage(n, m, k),
            "median_radius": {
                "real": float(np.sqrt(np.median(real_balls.radii))),
                "generated": float(np.sqrt(np.median(generated_balls.radii))),
            },
        },
    )


def _own(values: NDArray[Any]) -> list[float]:
    """The influences of items on the mean of their own values."""
    return [float(value) for value in values - values.mean()]


def expected_coverage(n: int, m: int, k: int) -> float:
    """Coverage of n real by m generated images of the same continuous distribution (Naeem et al. 2020).

    A ball holds no generated image if the k nearest of all n − 1 + m others are real.
    """
    return 1 - math.prod((n - i) / (n + m - i) for i in range(1, k + 1))


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
            errors of ``formats.features.pair``.
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
        StageError: features of an image that is not in its folder, or the errors of ``formats.features.pair``.
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

    pictures = [read_rgb(path) for path in (left, right)]
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
    paths = {row.name: row.path for row in image_folder.rows(images)}
    missing = [item for item in features.items if item not in paths]
    if missing:
        raise StageError(
            f"{missing[0]}: has features, but {images.path} has no such image "
            f"({len(missing)} of {features.count}); give the images that the features were extracted from"
        )
    return paths
