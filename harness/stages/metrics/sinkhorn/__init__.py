"""The Sinkhorn divergence between real and generated images: the cost of transporting one set to the other."""

from __future__ import annotations

from dataclasses import dataclass

from harness.artifact import Features
from harness.compute.influence import GENERATED, REAL, named, rows
from harness.errors import StageError
from harness.formats.features import pair
from harness.stage import Count, Execution, Items, Lower, Positive, Scores, stage


@dataclass(frozen=True, kw_only=True)
class SinkhornScores(Scores):
    """Score for N real and M generated images."""

    divergence: Lower
    """In units of the mean squared distance of two real images; 0 for equal sets, never negative. For two samples of
    one distribution it is above 0, and larger for smaller N, M and ε.
    """


@stage(version=1, software=("numpy",))
def divergence(
    real: Features, generated: Features, *, epsilon: Positive = 0.1, iterations: Execution[Count] = 10_000
) -> SinkhornScores:
    """Debiased Sinkhorn divergence in feature space: OT_ε(x, y) − ½ OT_ε(x, x) − ½ OT_ε(y, y).

    After Genevay, Peyré and Cuturi (2018) and Feydy et al. (2019); OT_ε includes its entropy, as the KL divergence
    from the product of the marginals. The cost is the squared Euclidean distance divided by its mean between two
    different real images, and ε is in that unit. So neither depends on the features' scale, nor on the generated
    images. For ε → 0 it becomes the squared Wasserstein distance, for ε → ∞ the squared distance of the means.

    The rows behind it are the infinitesimal jackknife's, over real and generated images: the optimal potentials are
    its derivatives by the images' weights. The unit of the cost is held fixed.

    Args:
        real: what the generated images should be like; sets the unit.
        generated: features from the same extractor.
        epsilon: the blur. A smaller value is nearer to the Wasserstein distance, and needs more images and iterations.
        iterations: most iterations for each of the three problems; they stop when they have converged.

    Raises:
        StageError: not converged, all real vectors equal, or the errors of ``formats.features.pair``.
    """
    from harness.stages.metrics.neighbours.distances import mean_squared
    from harness.stages.metrics.sinkhorn.transport import debiased

    ours, theirs = pair(real, generated)
    scale = mean_squared(ours.values)
    if scale == 0:
        raise StageError(
            f"all {ours.count} real feature vectors are equal; there is no distance to measure by"
        )
    found = debiased(ours.values, theirs.values, scale=scale, epsilon=epsilon, iterations=iterations)
    terms = {"real, generated": found.between, "real": found.within[0], "generated": found.within[1]}
    return SinkhornScores(
        divergence=found.value,
        items=Items(
            named({REAL: ours.items, GENERATED: theirs.items}),
            {"divergence": rows(found.value, *(i.tolist() for i in found.influences))},
        ),
        conditions={"n_real": ours.count, "n_generated": theirs.count},
        details={
            "space": f"{ours.dim} features of extractor {ours.extractor}",
            "cost": "squared Euclidean distance over its mean between two real images",
            "mean_squared_distance": scale,
            "epsilon": epsilon,
            "n": {"real": ours.count, "generated": theirs.count},
            "transport": {name: t.value for name, t in terms.items()},
            "iterations": {name: t.iterations for name, t in terms.items()},
        },
    )
