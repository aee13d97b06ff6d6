"""The Fréchet distance beside torchmetrics', on the same features and in the same run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from harness.artifact import Features
from harness.formats.features import Writer
from harness.stage import Scores
from harness.stages.metrics import _gaussian, frechet, kernel

N, DIM = 250, 2048

Sides = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def sides() -> Sides:
    """Features as Inception's are: not negative, correlated, of falling variance."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(DIM, DIM)) * np.exp(-4 * np.arange(DIM) / DIM) / DIM**0.5
    made = {side: rng.normal(size=(N, DIM)) @ mixing.T for side in ("real", "generated")}
    return {side: np.abs(0.4 + values).astype(np.float32) for side, values in made.items()}


def test_the_distance_of_250_images_in_2048_dimensions(sides: Sides, benchmark: BenchmarkFixture) -> None:
    """From features to the distance; ``times_faster`` is against torchmetrics' ``compute`` alone."""
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Identity(torch.nn.Module):
        num_features = DIM

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    metric = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    for side, values in sides.items():
        metric.update(torch.from_numpy(values).double(), real=side == "real")
    start = perf_counter()
    theirs = float(metric.compute())
    torchmetrics_s = perf_counter() - start

    def ours() -> float:
        a, b = (_gaussian.fit(sides[side]) for side in ("real", "generated"))
        return _gaussian.frechet(a, b).value

    found = benchmark.pedantic(ours, rounds=20, warmup_rounds=2)
    assert found == pytest.approx(theirs, rel=1e-6)
    if benchmark.stats:
        benchmark.extra_info["torchmetrics_s"] = round(torchmetrics_s, 2)
        benchmark.extra_info["times_faster"] = round(torchmetrics_s / benchmark.stats.stats.median)
        benchmark.extra_info["relative_difference"] = f"{abs(found / theirs - 1):.0e}"
        assert torchmetrics_s > 100 * benchmark.stats.stats.median


@pytest.mark.parametrize("stage", [frechet.distance, kernel.distance], ids=["frechet", "kernel"])
def test_a_whole_metric_of_250_images(
    sides: Sides, tmp_path: Path, benchmark: BenchmarkFixture, stage: Callable[..., Scores]
) -> None:
    """With everything it reports: floor, principal axes, all 250 distances without one image."""
    written: dict[str, Features] = {}
    for side, values in sides.items():
        (tmp_path / side).mkdir()
        with Writer(tmp_path / side, dim=DIM, extractor="sha256:ab") as out:
            out.add([f"{i}.png" for i in range(N)], [None] * N, values)
        written[side] = out.features({})
    benchmark.pedantic(stage, kwargs=written, rounds=5, warmup_rounds=1)
