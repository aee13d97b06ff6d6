"""Neighbour and transport metrics beside what one would write with SciPy and POT, on the same features."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from feature_sets import cloud, features
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.spatial.distance import cdist

from harness.stages.metrics import neighbours, sinkhorn

DIM, K, EPSILON = 512, 5, 0.1


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def at_once(real: NDArray[np.float32], generated: NDArray[np.float32]) -> float:
    """Coverage as it is commonly written: all distances of both sets in memory."""
    x, y = real.astype(np.float64), generated.astype(np.float64)
    real_ball, generated_ball = (np.partition(cdist(v, v), K, axis=1)[:, K] for v in (x, y))
    between = cdist(x, y)
    assert (between <= generated_ball).any()
    return float((between <= real_ball[:, None]).any(axis=1).mean())


@pytest.mark.parametrize("count", [250, 2500])
def test_precision_recall_density_and_coverage(
    tmp_path: Path, benchmark: BenchmarkFixture, count: int
) -> None:
    """``times_faster`` and ``memory`` are against all distances at once, by SciPy's ``cdist``."""
    sides = cloud(0, count, DIM), cloud(1, count, DIM)
    stored = [features(tmp_path, side) for side in sides]
    found = benchmark.pedantic(lambda: neighbours.manifold(*stored, k=K), rounds=3, warmup_rounds=1)
    assert found.coverage == at_once(*sides)
    if benchmark.stats:
        start = perf_counter()
        at_once(*sides)
        benchmark.extra_info["times_faster"] = round(
            (perf_counter() - start) / benchmark.stats.stats.median, 1
        )
        ours, theirs = (
            peak_bytes(work) for work in (lambda: neighbours.manifold(*stored, k=K), lambda: at_once(*sides))
        )
        benchmark.extra_info["memory"] = round(ours / theirs, 2)


def test_the_sinkhorn_divergence(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    """``times_faster`` is against POT's log-domain solver on the same three problems of 250 images a side."""
    import ot

    falling = (1 / np.arange(1, DIM + 1)).astype(np.float32)
    real, generated = (cloud(seed, 250, DIM) * falling for seed in (0, 1))
    stored = features(tmp_path, real), features(tmp_path, generated)
    found = benchmark.pedantic(
        lambda: sinkhorn.divergence(*stored, epsilon=EPSILON), rounds=5, warmup_rounds=1
    )
    scale = found.details["mean_squared_distance"]

    def value(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
        cost = cdist(x.astype(np.float64), y.astype(np.float64), "sqeuclidean") / scale
        return float(ot.solve(cost, reg=EPSILON, reg_type="KL", tol=1e-9).value)

    start = perf_counter()
    between, one, other = (value(*pair) for pair in ((real, generated), (real, real), (generated, generated)))
    pot_s = perf_counter() - start
    assert found.divergence == pytest.approx(between - (one + other) / 2, rel=1e-6)
    if benchmark.stats:
        benchmark.extra_info["times_faster"] = round(pot_s / benchmark.stats.stats.median, 1)
