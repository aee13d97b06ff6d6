"""Separate measures of fidelity and variety: precision, recall, density and coverage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.artifact import Features
from harness.compute.influence import GENERATED, REAL, jackknife, named, rows
from harness.errors import StageError
from harness.formats.features import pair
from harness.stage import Count, Higher, HigherShare, Items, Scores, stage

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class ManifoldScores(Scores):
    """Scores for N real and M generated images; all but the density are in [0, 1].

    A real image's ball reaches to its k-th nearest other real image, a generated image's ball to its
    k-th nearest other generated image. Points on the boundary are in the ball.
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
        StageError: not more than k + 1 images on a side, or the errors of ``features.vectors.pair``.
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
