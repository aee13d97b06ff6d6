"""The kernel distance against torchmetrics and brute force; that it is unbiased, and what its error means."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from drawing import draws
from feature_sets import features
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StageError
from harness.stages.metrics import kernel
from harness.suite import registry

pytestmark = pytest.mark.numeric


def cloud(seed: int, count: int, dim: int, spread: float = 1.0, shift: float = 0.0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, dim)) * spread + shift
    return values.astype(np.float32)


def brute(real: np.ndarray, generated: np.ndarray, degree: int = 3) -> float:
    """The definition, with all kernel matrices."""
    x, y = real.astype(np.float64), generated.astype(np.float64)
    n, m = len(x), len(y)
    xx, yy, xy = ((a @ b.T / x.shape[1] + 1) ** degree for a, b in ((x, x), (y, y), (x, y)))
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * xy.mean())


@pytest.fixture(scope="module")
def score(tmp_path_factory):
    """The stage on arrays."""

    def run(real, generated, **parameters):
        folder = tmp_path_factory.mktemp("sides")
        return kernel.distance(features(folder, real), features(folder, generated), **parameters)

    return run


@pytest.mark.parametrize("dim", [4, 300])
def test_torchmetrics_agrees_with_one_subset_of_everything(score, dim):
    import torch
    from torchmetrics.image.kid import KernelInceptionDistance

    class Identity(torch.nn.Module):
        num_features = dim

        def forward(self, x):
            return x

    real, generated = cloud(1, 50, dim), cloud(2, 50, dim, spread=1.2, shift=0.1)
    metric = KernelInceptionDistance(feature=Identity(), subsets=1, subset_size=50)
    metric.update(torch.from_numpy(real).double(), real=True)
    metric.update(torch.from_numpy(generated).double(), real=False)
    assert score(real, generated).distance == pytest.approx(float(metric.compute()[0]), rel=1e-9)


@pytest.mark.proves("kernel.distance", "degree")
def test_degree_is_that_of_the_kernel(score):
    """Two normal distributions that differ in variance alone: a linear kernel compares means only."""
    real, generated = cloud(1, 400, 5), cloud(2, 300, 5, spread=1.5)
    found = {degree: score(real, generated, degree=degree).distance for degree in (1, 2, 3)}
    for degree, value in found.items():
        assert value == pytest.approx(brute(real, generated, degree), rel=1e-9)
    assert abs(found[1]) < 0.02
    assert found[3] > found[2] > 0.2


def test_blocks_make_no_difference_and_bound_the_memory(score):
    real, generated = cloud(1, 1100, 3), cloud(2, 2100, 3, shift=0.1)
    tracemalloc.start()
    found = score(real, generated)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.distance == pytest.approx(brute(real, generated), rel=1e-9)
    assert peak < 3e7  # the kernel matrix of the generated alone would be 35 MB


@draws(40)
@given(n=st.integers(3, 20), m=st.integers(3, 20), dim=st.integers(1, 12), seed=st.integers(0, 99))
def test_the_distance_ignores_rotation_and_order(score, n, m, dim, seed):
    rng = np.random.default_rng(seed)
    real, generated = cloud(seed, n, dim), cloud(seed + 100, m, dim, shift=0.5)
    found = score(real, generated)
    rotation = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    scale = max(1.0, abs(found.distance), found.standard_error)
    turned = score(real @ rotation, generated @ rotation)
    shuffled = score(rng.permutation(real), rng.permutation(generated))
    for other, tolerance in ((turned, 1e-4), (shuffled, 1e-10)):  # features are kept in float32
        assert other.distance == pytest.approx(found.distance, abs=tolerance * scale)
        assert other.standard_error == pytest.approx(found.standard_error, abs=tolerance * scale)


@pytest.mark.parametrize(("n", "m"), [(20, 15), (3, 3), (15, 40)])
def test_the_standard_error_is_the_jackknife_over_generated_images(score, n, m):
    real, generated = cloud(1, n, 6), cloud(2, m, 6, shift=0.3)
    without = np.array([brute(real, np.delete(generated, i, axis=0)) for i in range(m)])
    expected = np.sqrt((m - 1) / m * ((without - without.mean()) ** 2).sum())
    assert score(real, generated).standard_error == pytest.approx(expected, rel=1e-9)


def test_the_rows_behind_it_are_pseudo_values_whose_mean_is_the_distance(score):
    real, generated = cloud(1, 20, 6), cloud(2, 15, 6, shift=0.3)
    generated[4] += 3
    scores = score(real, generated)
    assert scores.items is not None
    assert scores.items.item == [f"real/{i}.png" for i in range(20)] + [
        f"generated/{i}.png" for i in range(15)
    ]
    rows = np.array(scores.items.columns["distance"])
    without_real = np.array([brute(np.delete(real, i, axis=0), generated) for i in range(20)])
    without = np.array([brute(real, np.delete(generated, i, axis=0)) for i in range(15)])
    for of_side, left, n in ((rows[:20], without_real, 20), (rows[20:], without, 15)):
        scale = 35 / n * np.sqrt(n / (n - 1) * 34 / 35)
        expected = scores.distance + scale * (n * scores.distance - (n - 1) * left - scores.distance)
        np.testing.assert_allclose(of_side, expected, rtol=1e-8, atol=1e-9)
    assert rows.mean() == pytest.approx(scores.distance, rel=1e-12)
    assert rows.argmax() == 20 + 4


def test_one_distribution_is_at_distance_zero_on_average_and_often_below(score):
    found = np.array([score(cloud(i, 20, 8), cloud(1000 + i, 20, 8)).distance for i in range(300)])
    assert abs(found.mean()) < 3 * found.std() / np.sqrt(len(found))
    assert 0.3 < (found < 0).mean() < 0.8


@pytest.mark.parametrize("count", [5, 20, 80])
def test_the_expected_value_is_the_same_at_every_n(score, count):
    """With a linear kernel it is ‖Δμ‖²/D, here 0.25."""
    found = np.array(
        [
            score(cloud(i, count, 8), cloud(1000 + i, count, 8, shift=0.5), degree=1).distance
            for i in range(150)
        ]
    )
    assert found.mean() == pytest.approx(0.25, abs=3 * found.std() / np.sqrt(len(found)))


def test_the_standard_error_foretells_the_spread_of_further_draws(score):
    real = cloud(0, 100, 16)
    found = [score(real, cloud(seed, 60, 16, spread=1.2, shift=0.1)) for seed in range(1, 101)]
    told = np.mean([s.standard_error for s in found])
    assert told / np.std([s.distance for s in found], ddof=1) == pytest.approx(1, abs=0.25)


def test_a_gate_on_the_bare_metric_is_on_the_distance_and_a_relative_one_has_a_floor():
    directions = registry.find("kernel.distance").scores
    assert list(directions) == ["distance", "standard_error"]
    assert directions["distance"].better == "lower"
    assert directions["distance"].floor == 0.01
    assert directions["standard_error"] is None


def test_n_and_d_are_conditions(score):
    found = score(cloud(1, 20, 6), cloud(2, 15, 6)).conditions
    assert found == {"n_real": 20, "n_generated": 15, "dimensions": 6}


@pytest.mark.parametrize(
    ("n", "m", "message"),
    [(5, 2, "2 generated images; a kernel distance needs 3"), (2, 5, "2 real images; a k"), (1, 5, "1 real")],
)
def test_too_few_images_are_refused(score, n, m, message):
    with pytest.raises(StageError, match=message):
        score(cloud(1, n, 5), cloud(2, m, 5))
