"""The Sinkhorn divergence against POT, a closed form and its own two limits."""

import numpy as np
import ot
import pytest
from drawing import draws
from feature_sets import cloud, features
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import norm

from harness.errors import StageError
from harness.stages.metrics import sinkhorn
from harness.stages.metrics.neighbours.distances import BLOCK, mean_squared
from harness.stages.metrics.sinkhorn import transport

pytestmark = pytest.mark.numeric

few = draws(20)


def divergence(x, y, *, epsilon, scale=1.0, iterations=20_000, held_bytes=transport.HELD_BYTES):
    return transport.debiased(
        x, y, scale=scale, epsilon=epsilon, iterations=iterations, held_bytes=held_bytes
    )


def scored(folder, real, generated, **parameters):
    return sinkhorn.divergence(features(folder, real), features(folder, generated), **parameters)


@pytest.mark.parametrize("epsilon", [0.2, 0.5, 5.0])
@pytest.mark.parametrize(("n", "m", "dim"), [(40, 40, 2), (30, 55, 64)])
def test_each_term_is_that_of_an_independent_solver(epsilon, n, m, dim):
    x, y = cloud(0, n, dim), cloud(1, m, dim) + np.float32(0.3)
    scale = mean_squared(x)
    found = divergence(x, y, scale=scale, epsilon=epsilon)
    for term, one, other in ((found.between, x, y), (found.within[0], x, x), (found.within[1], y, y)):
        cost = cdist(one.astype(np.float64), other.astype(np.float64), "sqeuclidean") / scale
        theirs = ot.solve(cost, reg=epsilon, reg_type="KL", tol=1e-10, max_iter=100_000)
        assert term.value == pytest.approx(theirs.value, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize(
    ("mean", "deviation", "epsilon"), [(1.0, 1.0, 0.5), (0.0, 2.0, 0.5), (0.7, 0.5, 2.0)]
)
def test_one_dimensional_normal_distributions_have_their_closed_form(mean, deviation, epsilon):
    """Janati et al. (2020), with ε = 2σ²; between grids of quantiles."""

    def closed(a, b):
        """Less the terms in ε alone, which cancel."""
        half = epsilon / 2
        root = np.sqrt(4 * a * b + half**2)
        return a + b - root + half * np.log(root + half)

    grid = norm.ppf((np.arange(1000) + 0.5) / 1000)[:, None]
    found = divergence(grid, mean + deviation * grid, epsilon=epsilon).value
    a, b = 1.0, deviation**2
    assert found == pytest.approx(mean**2 + closed(a, b) - (closed(a, a) + closed(b, b)) / 2, rel=0.01)


def test_with_little_blur_it_is_the_wasserstein_distance_and_nothing_overflows():
    x, y = cloud(0, 12, 3), cloud(1, 12, 3)
    cost = cdist(x, y, "sqeuclidean")
    exact = cost[linear_sum_assignment(cost)].mean()
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = divergence(x, y, epsilon=1e-2)
        transport.to_itself(transport.Cost(x, x, 1.0), 1e-9, 50)
    assert found.value == pytest.approx(exact, rel=0.02)


def test_with_much_blur_it_is_the_squared_distance_of_the_means():
    x, y = cloud(0, 30).astype(np.float64), cloud(1, 40).astype(np.float64)
    exact = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    assert divergence(x, y, epsilon=1e5).value == pytest.approx(exact, rel=1e-3)


def test_identical_sets_have_no_divergence(tmp_path):
    same = cloud(0, 80)
    for again in (same, same[::-1]):
        assert scored(tmp_path, same, again).divergence == pytest.approx(0, abs=1e-12)


@few
@given(
    seed=st.integers(0, 2**32 - 1), epsilon=st.floats(0.05, 10), n=st.integers(2, 20), m=st.integers(2, 20)
)
def test_it_is_symmetric_and_not_negative(seed, epsilon, n, m):
    x, y = cloud(seed, n, 3), cloud(seed + 1, m, 3)
    there, back = divergence(x, y, epsilon=epsilon), divergence(y, x, epsilon=epsilon)
    assert there.value == pytest.approx(back.value, rel=1e-7)
    assert there.between.value - sum(t.value for t in there.within) / 2 > 0
    assert there.value > 0


@few
@given(seed=st.integers(0, 2**32 - 1), scale=st.integers(-20, 20), moved=st.integers(-64, 64))
def test_the_unit_of_the_features_changes_nothing(tmp_path, seed, scale, moved):
    real, generated = (np.round(cloud(seed + i, 20, 4) * 16) / 16 for i in (0, 1))
    before = scored(tmp_path, real, generated)
    after = scored(tmp_path, (real + moved) * 2.0**scale, (generated + moved) * 2.0**scale)
    assert after.divergence == pytest.approx(before.divergence, rel=1e-9)


def test_the_unit_is_that_of_the_real_images_alone(tmp_path):
    real = cloud(0, 50)
    between = cdist(real, real, "sqeuclidean")
    for generated in (cloud(1, 50), cloud(2, 60) * np.float32(9)):
        details = scored(tmp_path, real, generated).details
        assert details["mean_squared_distance"] == pytest.approx(between.sum() / (50 * 49))


def test_a_collapsed_and_a_shifted_generator_are_further_away(tmp_path):
    real, honest = cloud(0, 150), cloud(1, 150)
    fair = scored(tmp_path, real, honest)
    collapsed = scored(tmp_path, real, honest[np.arange(150) % 3])
    shifted = scored(tmp_path, real, honest + np.float32(0.5))
    assert 0 < fair.divergence < shifted.divergence / 1.5
    assert fair.divergence < collapsed.divergence / 1.5


def test_it_says_what_it_is_of(tmp_path):
    scores = scored(tmp_path, cloud(0, 30), cloud(1, 40), epsilon=0.2)
    assert scores.conditions == {"n_real": 30, "n_generated": 40}
    assert scores.details["space"] == "8 features of extractor sha256:toy"
    assert scores.details["epsilon"] == 0.2
    between, *within = (scores.details["transport"][t] for t in ("real, generated", "real", "generated"))
    assert scores.divergence == between - sum(within) / 2


@pytest.mark.proves("sinkhorn.divergence", "epsilon")
def test_epsilon_changes_the_output(tmp_path):
    sides = cloud(0, 40), cloud(1, 40)
    fine, coarse = (scored(tmp_path, *sides, epsilon=epsilon).divergence for epsilon in (0.05, 0.5))
    assert fine > 2 * coarse > 0


@pytest.mark.proves("sinkhorn.divergence", "iterations")
def test_iterations_change_nothing_once_it_has_converged(tmp_path):
    sides = cloud(0, 40), cloud(1, 40)
    with pytest.raises(StageError, match=r"after 3 iterations .* raise epsilon, or iterations"):
        scored(tmp_path, *sides, iterations=3)
    enough, plenty = (scored(tmp_path, *sides, iterations=iterations) for iterations in (500, 50_000))
    assert enough == plenty


def test_costs_that_are_too_large_to_hold_are_computed_again():
    x, y = cloud(0, BLOCK + 76, 4), cloud(1, 200, 4)
    held, again = (divergence(x, y, scale=8, epsilon=1, held_bytes=b) for b in (transport.HELD_BYTES, 0))
    assert again.value == pytest.approx(held.value, rel=1e-9)
    cost = cdist(x.astype(np.float64), y.astype(np.float64), "sqeuclidean") / 8
    assert held.between.value == pytest.approx(
        ot.solve(cost, reg=1, reg_type="KL", tol=1e-10).value, rel=1e-8
    )


def test_real_images_that_are_all_equal_are_refused(tmp_path):
    with pytest.raises(StageError, match="all 5 real feature vectors are equal"):
        scored(tmp_path, np.ones((5, 3)), cloud(0, 5, 3))
