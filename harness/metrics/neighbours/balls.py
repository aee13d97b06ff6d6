"""Fidelity and variety apart: precision, recall, density and coverage."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.artifact import Features
from harness.errors import StageError
from harness.metrics.features.vectors import pair
from harness.stage import Count, Higher, Items, Scores, stage


@dataclass(frozen=True, kw_only=True)
class ManifoldScores(Scores):
    """Of N real and M generated images; all but the density are in [0, 1].

    A real image's ball reaches as far as its k-th nearest other real image, a generated image's as far as its
    k-th nearest other generated image. A ball holds what lies on its boundary.
    """

    precision: Higher
    """Share of the generated images in a real image's ball (Kynkäänniemi et al. 2019): do they look real?"""
    recall: Higher
    """Share of the real images in a generated image's ball (ibid.): can it make them all?"""
    density: Higher
    """How many real balls hold a generated image, on average, over k (Naeem et al. 2020). About 1 where the two
    distributions are one, more where generated images crowd among typical ones; real outliers weigh less
    than in precision."""
    coverage: Higher
    """Share of the real images whose ball holds a generated one (ibid.); generated outliers, which inflate
    recall, do not count."""


@stage(version=1, software=("numpy",))
def manifold(real: Features, generated: Features, *, k: Count = 5) -> ManifoldScores:
    """Precision, recall, density and coverage by k-nearest-neighbour balls in feature space.

    All four move with the number of images on either side, which is therefore a condition of the score. Details
    have the coverage to expect of a perfect generator at these numbers, and the median radius of the balls:
    where a generator has collapsed, its own is small.

    Per-item rows are those of the generated images, for precision and density: given the real images, which
    the protocol fixes, these are means over independent draws. Recall and coverage are means over the real
    images, whose spread says nothing about another draw of generated ones; they need seeds for an interval.

    Args:
        real: what the generated images should be like.
        generated: of the same extractor.
        k: which neighbour a ball reaches to. Kynkäänniemi et al. take 3, Naeem et al. 5.

    Raises:
        StageError: not more than k images on a side, or what ``features.vectors.pair`` refuses.
    """
    import numpy as np

    from harness.metrics.neighbours.distances import balls, radii

    ours, theirs = pair(real, generated)
    for side, vectors in (("real", ours), ("generated", theirs)):
        if vectors.count <= k:
            raise StageError(f"{vectors.count} {side} images have no neighbour number {k}; k must be smaller")
    real_radii, generated_radii = radii(ours.values, k), radii(theirs.values, k)
    found = balls(ours.values, theirs.values, real_radii, generated_radii)
    real_looking = (found.around_generated > 0).astype(np.float64)
    density = found.around_generated / k
    return ManifoldScores(
        precision=float(real_looking.mean()),
        recall=float(found.reached.mean()),
        density=float(density.mean()),
        coverage=float(found.covered.mean()),
        items=Items(theirs.items, {"precision": real_looking.tolist(), "density": density.tolist()}),
        conditions={"n_real": ours.count, "n_generated": theirs.count},
        details={
            "expected_coverage": expected_coverage(ours.count, theirs.count, k),
            "median_radius": {
                "real": float(np.sqrt(np.median(real_radii))),
                "generated": float(np.sqrt(np.median(generated_radii))),
            },
        },
    )


def expected_coverage(n: int, m: int, k: int) -> float:
    """Coverage of n real by m generated images of the same continuous distribution (Naeem et al. 2020).

    A ball is empty where the k nearest of all n − 1 + m others are real.
    """
    return 1 - math.prod((n - i) / (n + m - i) for i in range(1, k + 1))
