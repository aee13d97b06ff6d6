"""The Fréchet distance between real and generated images, with the values needed to interpret it at a small N.

The distance (FID, if the extractor is Inception) compares means and covariances of features. With a few hundred
images in 2048 dimensions it is mostly the bias of the estimated covariances. It is therefore shown next to a
real-against-real floor, a distance in few dimensions, and its standard error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.artifact import Features, Json
from harness.compute.influence import GENERATED, REAL, jackknife, named, rows
from harness.errors import StageError
from harness.stage import Count, Items, Lower, Scores, stage

if TYPE_CHECKING:
    from harness.formats.features import Vectors
    from harness.stages.metrics._gaussian import Gaussian, Rows

LEAST = 4
"""Least number of vectors per side: the floor needs two disjoint pairs."""
DRAWS = 4
"""Most comparisons of real with real images that the floor is the mean of."""


@dataclass(frozen=True, kw_only=True)
class FrechetScores(Scores):
    """Distances in squared units of the features; none is negative."""

    distance: Lower
    """‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2√(Σ₁Σ₂)) with unbiased covariances: FID, as torchmetrics computes it."""
    pca_distance: Lower
    """The same on the first principal axes of the real features: few axes, so that N may suffice for a covariance."""
    floor: float
    """Distance of real images in place of the generated ones; the details give its N."""
    standard_error: float
    """Standard error of ``distance`` over generated images, with the real ones fixed (jackknife)."""


@stage(version=1, software=("numpy",))
def distance(
    real: Features, generated: Features, reserve: Features | None = None, *, pca: Count = 32
) -> FrechetScores:
    """Fréchet distance, the same on few principal axes, its real-against-real floor and its standard error.

    The *floor* is the mean distance between two disjoint sets of real images. With ``reserve``, sets of as many
    images as were generated are drawn from it and compared with all of ``real``. Both sides then have the same N as
    in the distance, and the floor is the mean score of an ideal generator. Without it, ``real`` itself is divided into
    a set of as many images as were generated (at most half) and the rest. There are then fewer images, so the floor is
    somewhat too high; the details give both N. Draws depend on the images' names, so they are the same in every run.

    The *standard error* is the jackknife's over all M generated images, in closed form. It says how much the distance
    varies with another M images of the same generator, not how far it is from its value at infinite N. Its square
    is too large rather than too small on average (Efron and Stein, 1981).

    The rows behind both distances are the jackknife's, over real and generated images. An interval over them includes
    the sampling error of both sides, and two generators compared with the same real images share that of the real
    ones. The principal axes are held fixed: without an image, they stay those of all real images.

    Args:
        real: features of N real images.
        generated: features of M generated images.
        reserve: features of further real images, not in ``real``: the training images, for instance.
        pca: number of principal axes; fewer if the real features have fewer (``components`` in the conditions).

    Raises:
        StageError: fewer than four images per side, real features that are all equal, a ``reserve`` that is the same as
            ``real``, and the errors of ``formats.features.pair``.
    """
    from harness.formats.features import pair
    from harness.stages.metrics import _gaussian

    a, b = pair(real, generated)
    for side, vectors in (("real", a), ("generated", b)):
        if vectors.count < LEAST:
            raise StageError(f"{vectors.count} {side} images; a Fréchet distance needs {LEAST} a side")
    ours, theirs = _gaussian.fit(a.values), _gaussian.fit(b.values)
    axes = _gaussian.principal_axes(ours, pca)
    if axes.shape[1] == 0:
        raise StageError(f"the features of all {a.count} real images are equal")
    found = _gaussian.frechet(ours, theirs)
    left_out = _gaussian.leave_one_out(ours, theirs, a.values, b.values)
    on_axes = ours.project(axes), theirs.project(axes)
    pca_distance = _gaussian.frechet(*on_axes).value
    pca_left_out = _gaussian.leave_one_out(*on_axes, a.values, b.values, axes)
    further = None if reserve is None else _further(real, generated, reserve)
    floor, draws = _floor(a, ours, b.count, further)
    return FrechetScores(
        distance=found.value,
        pca_distance=pca_distance,
        floor=floor,
        standard_error=float((left_out[1].var() * (b.count - 1)) ** 0.5),
        items=Items(
            named({REAL: a.items, GENERATED: b.items}),
            {
                "distance": rows(found.value, *(jackknife(w.tolist()) for w in left_out)),
                "pca_distance": rows(pca_distance, *(jackknife(w.tolist()) for w in pca_left_out)),
            },
        ),
        conditions={
            "n_real": a.count,
            "n_generated": b.count,
            "dimensions": a.dim,
            "components": axes.shape[1],
        },
        details={
            "terms": {"means": found.means, "covariances": found.covariances},
            "floor": draws,
            "reading": _reading(a, b, axes.shape[1]),
        },
    )


def _further(real: Features, generated: Features, reserve: Features) -> Vectors:
    from harness.formats.features import pair

    if reserve.path == real.path:
        raise StageError("reserve: the same features as real; expected those of other real images")
    return pair(reserve, generated)[0]


def _floor(real: Vectors, whole: Gaussian, generated: int, further: Vectors | None) -> tuple[float, Json]:
    """The mean distance of real from real images, and a description of the draws.

    Args:
        real: N vectors.
        whole: the Gaussian fitted to all of them.
        generated: the number of images that the floor is for.
        further: other real images, if there are any.
    """
    from harness.stages.metrics._gaussian import fit, frechet

    if further is not None:
        size, rest = min(generated, further.count), real.count
        dealt = _dealt(further, 0)
        sets = [dealt[i * size : (i + 1) * size] for i in range(min(DRAWS, further.count // size))]
        found = [frechet(whole, fit(further.values, rows)).value for rows in sets]
    else:
        size = min(generated, real.count // 2)
        rest = real.count - size
        parted = [(rows[size:], rows[:size]) for rows in (_dealt(real, draw) for draw in range(DRAWS))]
        found = [frechet(fit(real.values, most), fit(real.values, few)).value for most, few in parted]
    same = (rest, size) == (real.count, generated)
    told = "the N of the distance" if same else f"the distance is of {real.count} against {generated}"
    draws: Json = {"compared": f"{rest} against {size} real images", "N": told, "distances": found}
    return sum(found) / len(found), draws


def _dealt(vectors: Vectors, draw: int) -> Rows:
    """All rows in random order, by the images' names and the number of the draw."""
    import numpy as np

    from harness.compute.seeds import drawn

    row = {item: i for i, item in enumerate(vectors.items)}
    return np.array([row[item] for item in drawn(vectors.items, draw)], dtype=np.int64)


def _reading(real: Vectors, generated: Vectors, components: int) -> str:
    fewest = min(real.count, generated.count)
    if fewest > real.dim:
        return (
            f"{fewest} images in {real.dim} dimensions; the bias falls as 1/N, so compare it at this N only"
        )
    told = (
        f"{fewest} images in {real.dim} dimensions: a covariance of rank {fewest - 1} at most, so the distance "
        "is largely bias; read it beside the floor and compare it at this N only"
    )
    if fewest > components:
        return told
    return f"{told}; nor do they make a covariance on {components} principal axes: take a smaller pca"
