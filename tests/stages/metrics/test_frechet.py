"""The Fréchet distance against closed forms, POT and torchmetrics; its floor, its error, and its edges."""

from __future__ import annotations

import tracemalloc

import numpy as np
import ot
import pytest
from drawing import draws
from feature_sets import features
from hypothesis import given
from hypothesis import strategies as st

from harness.compute.seeds import drawn
from harness.errors import StageError
from harness.formats.features import Writer
from harness.stages.metrics import _gaussian, frechet
from harness.suite import registry

pytestmark = pytest.mark.numeric

SHAPES = [(40, 30, 100), (30, 40, 100), (30, 90, 60), (90, 30, 60), (200, 150, 20), (60, 60, 60)]
"""N real, M generated, D: fewer vectors than dimensions on both sides, on one, on none."""


def cloud(seed: int, count: int, dim: int, spread: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """Correlated, with variances that fall by a factor of e⁶, as those of images do."""
    mixing = np.random.default_rng(dim).normal(size=(dim, dim)) * np.exp(-3 * np.arange(dim) / dim)
    drawn_here = np.random.default_rng(seed).normal(size=(count, dim))
    return (spread * drawn_here @ mixing.T / dim**0.5 + shift).astype(np.float32)


def between(a: np.ndarray, b: np.ndarray) -> float:
    return _gaussian.frechet(_gaussian.fit(a), _gaussian.fit(b)).value


@pytest.fixture
def score(tmp_path):
    """The stage on arrays."""

    def run(real, generated, reserve=None, **parameters):
        sides = {"real": real, "generated": generated, "reserve": reserve}
        kept = {side: features(tmp_path, values) for side, values in sides.items() if values is not None}
        return frechet.distance(**kept, **parameters)

    return run


def test_the_published_two_by_two_case_to_all_digits():
    covariances = ([[2, 0.5], [0.5, 1]], [[1, -0.3], [-0.3, 3]])
    a, b = (_gaussian.Gaussian(np.zeros(2), np.linalg.cholesky(c).T) for c in covariances)
    assert _gaussian.frechet(a, b).value == pytest.approx(0.9293118549677741, rel=1e-14)


@draws(50)
@given(
    roots=st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=1, max_size=6),
    shift=st.floats(-5, 5),
)
def test_commuting_covariances_have_a_closed_form(roots, shift):
    """Points ±c on each axis of one rotated frame have a diagonal covariance there."""
    a, b = np.array(roots).T
    dim = len(a)
    frame = np.linalg.qr(np.random.default_rng(dim).normal(size=(dim, dim)))[0]
    points = np.concatenate([np.eye(dim), -np.eye(dim)]) * np.sqrt((2 * dim - 1) / 2)
    means, covariances = dim * shift**2, ((a - b) ** 2).sum()
    found = _gaussian.frechet(_gaussian.fit(points * a @ frame), _gaussian.fit(points * b @ frame + shift))
    scale = 1e-12 * (1 + (a**2 + b**2).sum() + means)
    assert found.means == pytest.approx(means, rel=1e-9, abs=scale)
    assert found.covariances == pytest.approx(covariances, rel=1e-9, abs=scale)


@pytest.mark.parametrize(("n", "m", "dim"), SHAPES)
def test_torchmetrics_agrees(score, n, m, dim):
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Identity(torch.nn.Module):
        num_features = dim

        def forward(self, x):
            return x

    real, generated = cloud(1, n, dim), cloud(2, m, dim, spread=1.3, shift=0.2)
    metric = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    metric.update(torch.from_numpy(real).double(), real=True)
    metric.update(torch.from_numpy(generated).double(), real=False)
    assert score(real, generated).distance == pytest.approx(float(metric.compute()), rel=1e-6)


@pytest.mark.parametrize(("n", "m", "dim"), [(200, 150, 20), (150, 200, 60)])
def test_the_bures_wasserstein_distance_of_pot_agrees(score, n, m, dim):
    """Where both covariances have full rank: of one that has not, POT's is no number."""
    real, generated = cloud(1, n, dim), cloud(2, m, dim, spread=1.3, shift=0.2)
    a, b = real.astype(np.float64), generated.astype(np.float64)
    transport = ot.gaussian.bures_wasserstein_distance(a.mean(0), b.mean(0), np.cov(a.T), np.cov(b.T)) ** 2
    assert score(real, generated).distance == pytest.approx(float(transport), rel=1e-6)


@pytest.mark.parametrize(("n", "dim"), [(30, 100), (100, 30)])
def test_identical_sets_are_at_distance_zero_in_whatever_order(score, n, dim):
    real = cloud(1, n, dim, shift=100)
    scores = score(real, real[::-1].copy())
    scale = float(real.var(axis=0).sum())
    assert 0 <= scores.distance < 1e-12 * scale
    assert 0 <= scores.pca_distance < 1e-12 * scale
    assert scores.floor > 0.01 * scale


sizes = st.tuples(st.integers(4, 30), st.integers(4, 30), st.integers(1, 20))


@draws(40)
@given(sizes=sizes, seed=st.integers(0, 99), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_the_distance_ignores_rotation_translation_and_order_and_scales_by_the_square(
    sizes, seed, scale, shift
):
    n, m, dim = sizes
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, dim)), rng.normal(size=(m, dim)) * 1.5 + 1
    rotation = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    found = between(a, b)
    near = pytest.approx(found, rel=1e-9)
    assert found > 0
    assert between(b, a) == near
    assert between(a @ rotation, b @ rotation) == near
    assert between(rng.permutation(a), rng.permutation(b)) == near
    assert between(a + shift, b + shift) == near
    assert between(a * scale, b * scale) == pytest.approx(found * scale**2, rel=1e-9)


@pytest.mark.parametrize(("n", "m", "dim"), SHAPES)
def test_every_distance_without_one_image_is_that_of_a_new_fit(n, m, dim):
    real, generated = cloud(1, n, dim), cloud(2, m, dim, spread=1.3, shift=0.2)
    a, b = _gaussian.fit(real), _gaussian.fit(generated)
    without_real, without = _gaussian.leave_one_out(a, b, real, generated)
    refitted = np.array([between(real, np.delete(generated, i, axis=0)) for i in range(m)])
    np.testing.assert_allclose(without, refitted, rtol=1e-7)
    assert refitted.std() > 1e-4 * refitted.mean()
    refitted = np.array([between(np.delete(real, i, axis=0), generated) for i in range(n)])
    np.testing.assert_allclose(without_real, refitted, rtol=1e-7)
    assert refitted.std() > 1e-4 * refitted.mean()


@pytest.mark.parametrize(("n", "m", "dim"), SHAPES)
def test_rows_are_what_each_distance_loses_without_the_image(score, n, m, dim):
    """On the axes of all real images, for the distance in few dimensions."""
    real, generated = cloud(1, n, dim), cloud(2, m, dim, spread=1.3, shift=0.2)
    scores = score(real, generated, pca=5)
    assert scores.items.item == [f"real/{i}.png" for i in range(n)] + [f"generated/{i}.png" for i in range(m)]
    axes = _gaussian.principal_axes(_gaussian.fit(real), 5)
    for field, (x, y) in {
        "distance": (real, generated),
        "pca_distance": (real.astype(np.float64) @ axes, generated.astype(np.float64) @ axes),
    }.items():
        column = np.array(scores.items.columns[field])
        assert column.mean() == pytest.approx(getattr(scores, field), rel=1e-12)
        lost = (
            np.array([between(np.delete(x, i, axis=0), y) for i in range(n)]),
            np.array([between(x, np.delete(y, i, axis=0)) for i in range(m)]),
        )
        variance = sum((len(w) - 1) * w.var() for w in lost)
        assert column.var(ddof=1) / (n + m) == pytest.approx(variance, rel=1e-6)
        for side, of_side in ((lost[0], column[:n]), (lost[1], column[n:])):
            np.testing.assert_allclose(np.corrcoef(side, of_side)[0, 1], -1, atol=1e-6)


def test_the_standard_error_is_the_jackknife_over_generated_images(score):
    real, generated = cloud(1, 30, 12), cloud(2, 25, 12, shift=0.2)
    without = np.array([between(real, np.delete(generated, i, axis=0)) for i in range(25)])
    expected = np.sqrt(24 / 25 * ((without - without.mean()) ** 2).sum())
    assert score(real, generated).standard_error == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("dim", [16, 300])
def test_the_standard_error_foretells_the_spread_of_further_draws(score, dim):
    real = cloud(0, 100, dim)
    found = [score(real, cloud(seed, 80, dim, spread=1.2, shift=0.1)) for seed in range(1, 61)]
    told = np.mean([s.standard_error for s in found])
    spread = np.std([s.distance for s in found], ddof=1)
    assert 0.75 < told / spread < 1.6


@pytest.mark.proves("frechet.distance", "pca")
def test_pca_is_how_many_principal_axes_of_the_real_features_are_compared(score):
    real, generated = cloud(1, 60, 40), cloud(2, 50, 40, spread=1.4, shift=0.3)
    axes = np.linalg.svd(real.astype(np.float64) - real.mean(axis=0, dtype=np.float64))[2]
    found = {}
    for pca in (1, 3, 32):
        scores = score(real, generated, pca=pca)
        found[pca] = scores.pca_distance
        assert found[pca] == pytest.approx(between(real @ axes[:pca].T, generated @ axes[:pca].T), rel=1e-9)
        assert scores.conditions["components"] == pca
    assert found[1] < found[3] < found[32] < scores.distance


def test_there_are_no_more_principal_axes_than_the_real_features_have(score):
    real, generated = cloud(1, 60, 8), cloud(2, 50, 8, shift=0.3)
    scores = score(real, generated)
    assert scores.conditions["components"] == 8
    assert scores.pca_distance == pytest.approx(scores.distance, rel=1e-9)
    flat = real.copy()
    flat[:, 5:] = 0
    assert score(flat, generated).conditions["components"] == 5
    assert score(real[:6], generated).conditions["components"] == 5


def test_with_a_reserve_the_floor_is_at_the_n_of_the_distance(score):
    real, generated, reserve = cloud(1, 40, 60), cloud(2, 30, 60), cloud(3, 100, 60)
    scores = score(real, generated, reserve)
    order = [int(name.removesuffix(".png")) for name in drawn((f"{i}.png" for i in range(100)), 0)]
    expected = [between(real, reserve[order[i : i + 30]]) for i in (0, 30, 60)]
    assert scores.details["floor"]["distances"] == pytest.approx(expected, rel=1e-9)
    assert scores.floor == pytest.approx(np.mean(expected), rel=1e-9)
    assert scores.details["floor"]["compared"] == "40 against 30 real images"
    assert scores.details["floor"]["N"] == "the N of the distance"


def test_without_a_reserve_real_images_are_parted_and_the_smaller_n_is_said(score):
    real, generated = cloud(1, 50, 60), cloud(2, 40, 60)
    scores = score(real, generated)
    order = [int(name.removesuffix(".png")) for name in drawn((f"{i}.png" for i in range(50)), 2)]
    floor = scores.details["floor"]
    assert len(floor["distances"]) == 4
    assert floor["distances"][2] == pytest.approx(between(real[order[:25]], real[order[25:]]), rel=1e-9)
    assert scores.floor == pytest.approx(np.mean(floor["distances"]))
    assert floor["compared"] == "25 against 25 real images"
    assert floor["N"] == "the distance is of 50 against 40"
    assert score(real, generated[:10]).details["floor"]["compared"] == "40 against 10 real images"


def test_a_reserve_that_is_too_small_gives_the_floor_it_can(score):
    floor = score(cloud(1, 40, 10), cloud(2, 30, 10), cloud(3, 20, 10)).details["floor"]
    assert len(floor["distances"]) == 1
    assert floor["compared"] == "40 against 20 real images"
    assert floor["N"] == "the distance is of 40 against 30"


def test_the_floor_is_what_an_ideal_generator_scores(score):
    """Its images come from the distribution of the real ones."""
    real = cloud(0, 60, 200)
    ideal = [score(real, cloud(seed, 50, 200), cloud(99, 200, 200)) for seed in range(1, 13)]
    distances = [s.distance for s in ideal]
    assert ideal[0].floor == pytest.approx(np.mean(distances), abs=3 * np.std(distances, ddof=1))
    assert ideal[0].floor > 20 * np.std(distances, ddof=1)


def test_the_order_of_rows_changes_nothing(tmp_path):
    real, generated = cloud(1, 40, 30), cloud(2, 30, 30)
    turned = tmp_path / "turned"
    turned.mkdir()
    with Writer(turned, dim=30, extractor="sha256:toy") as out:
        out.add([f"{i}.png" for i in reversed(range(40))], [None] * 40, real[::-1])
    fake = features(tmp_path, generated)
    one = frechet.distance(features(tmp_path, real), fake)
    other = frechet.distance(out.features({}), fake)
    for field in ("distance", "pca_distance", "floor", "standard_error"):
        assert getattr(one, field) == pytest.approx(getattr(other, field), rel=1e-9)


def test_at_a_small_n_less_variety_scores_better_but_not_on_the_first_principal_axes(score):
    """Why the distance alone decides nothing at N = 250 (the figures in docs/image-metrics.md)."""
    spreads = np.exp(-4 * np.arange(2048) / 2048)
    real, ideal = (np.random.default_rng(seed).normal(size=(250, 2048)) * spreads for seed in (1, 2))
    varied, dull = score(real, ideal), score(real, 0.6 * ideal)
    assert dull.distance < 0.85 * varied.distance
    assert dull.pca_distance > 1.5 * varied.pca_distance


def test_a_generator_that_makes_one_image_is_scored(score):
    """Only the real images' variance is left beside the means, and no draw would change it."""
    real = cloud(1, 40, 30)
    scores = score(real, np.repeat(real[:1] + 1, 20, axis=0))
    moved = ((real[0] + 1 - real.astype(np.float64).mean(axis=0)) ** 2).sum()
    assert scores.distance == pytest.approx(moved + np.cov(real.astype(np.float64).T).trace(), rel=1e-6)
    assert scores.standard_error == pytest.approx(0, abs=1e-9 * scores.distance)


def test_n_and_d_are_conditions_and_a_rank_deficient_covariance_is_said(score):
    few, many = score(cloud(1, 40, 60), cloud(2, 30, 60)), score(cloud(1, 40, 10), cloud(2, 30, 10))
    assert few.conditions == {"n_real": 40, "n_generated": 30, "dimensions": 60, "components": 32}
    assert "30 images in 60 dimensions: a covariance of rank 29 at most" in few.details["reading"]
    assert "rank" not in many.details["reading"]
    assert few.details["reading"].endswith("on 32 principal axes: take a smaller pca")
    enough = score(cloud(1, 40, 60), cloud(2, 30, 60), pca=8).details["reading"]
    assert "rank 29" in enough
    assert "principal axes" not in enough
    assert few.details["terms"]["means"] + few.details["terms"]["covariances"] == few.distance


def test_a_fit_holds_a_few_thousand_vectors_whatever_their_number(tmp_path):
    made = features(tmp_path, np.random.default_rng(0).normal(size=(100_000, 16)))
    values = np.load(made.path / "features.npy", mmap_mode="r")
    wide = np.random.default_rng(1).normal(size=(10, 20_000))
    peaks = []
    for vectors in (wide, values):
        tracemalloc.start()
        fitted = _gaussian.fit(vectors)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 2e7  # a covariance would be 3.2 GB
    assert peaks[1] < 3e6  # the vectors are 6.4 MB on disk, 12.8 MB in float64
    np.testing.assert_allclose(fitted.factor.T @ fitted.factor, np.cov(values.T), atol=1e-12)


def test_a_gate_on_the_bare_metric_is_on_the_distance():
    directions = registry.find("frechet.distance").scores
    assert next(iter(directions)) == "distance"
    gateable = {name for name, direction in directions.items() if direction is not None}
    assert gateable == {"distance", "pca_distance"}


@pytest.mark.parametrize(
    ("n", "m", "message"),
    [(3, 10, "3 real images; a Fréchet distance needs 4 a side"), (10, 3, "3 generated images")],
)
def test_too_few_images_are_refused(score, n, m, message):
    with pytest.raises(StageError, match=message):
        score(cloud(1, n, 5), cloud(2, m, 5))


def test_real_features_that_are_all_equal_are_refused(score):
    with pytest.raises(StageError, match="all 10 real images are equal"):
        score(np.full((10, 5), 0.3), cloud(2, 10, 5))


def test_a_reserve_that_is_no_reserve_is_refused(tmp_path):
    real, fake = (features(tmp_path, cloud(seed, 9, 5)) for seed in (1, 2))
    with pytest.raises(StageError, match="reserve: the same features as real"):
        frechet.distance(real, fake, real)
    other = features(tmp_path, cloud(3, 9, 5), extractor="sha256:cd")
    with pytest.raises(StageError, match="different extractors"):
        frechet.distance(real, fake, other)
