"""What it costs to know what would run. None of these assert a time: `make bench` prints them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from toy_suites import changed, write_suite

from harness.engine import code_digest
from harness.engine.plan import Plan, make
from harness.suite import Suite, load, registry

SIDE = 100


def wide(folder: Path, seeds: str) -> Path:
    """The toy suite with a matrix of 100 × 100."""
    rates = ", ".join(f"{(i + 1) / 1000:g}" for i in range(SIDE))
    epochs = ", ".join(str(i + 1) for i in range(SIDE))
    return write_suite(
        folder,
        changed(
            ("model.loss: [square, absolute]", f"model.epochs: [{epochs}]"),
            ("model.rate: [0.1, 0.2]", f"model.rate: [{rates}]"),
            ("seeds:\n  model.seed: [0, 1, 2]\n", seeds),
            ("reference: {model.loss: square, model.rate: 0.1}\n", ""),
        ),
    )


@pytest.mark.parametrize(
    ("seeds", "repeats"), [("", 1), ("seeds:\n  model.seed: [0, 1, 2]\n", 3)], ids=["one seed", "three seeds"]
)
def test_planning_10000_cells(tmp_path: Path, benchmark: BenchmarkFixture, seeds: str, repeats: int) -> None:
    """Load and plan; the aim is under 5 s for 10,000 cells on two cores."""
    file = wide(tmp_path, seeds)
    plan: Plan = benchmark.pedantic(lambda: make(load(file)), rounds=3, warmup_rounds=1)
    assert len(plan.scores) == SIDE * SIDE
    assert len(plan.tasks) == 2 + 2 * repeats * SIDE * SIDE
    benchmark.extra_info["tasks"] = len(plan.tasks)


def test_loading_a_suite(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    file = write_suite(tmp_path)
    suite: Suite = benchmark(load, file)
    assert suite.metrics


@pytest.mark.parametrize("name", ["land_cover.train", "classification.scores", "scenes.draw"])
def test_source_digest_of_a_stage_cold(benchmark: BenchmarkFixture, name: str) -> None:
    """As in a new process: every file that the stage reaches is read and parsed."""
    function = registry.find(name).function
    known = [f for f in vars(code_digest).values() if hasattr(f, "cache_clear")]
    assert known

    def forget() -> None:
        for cached in known:
            cached.cache_clear()

    digest = benchmark.pedantic(code_digest.digest, (function,), setup=forget, rounds=10)
    assert len(digest) == 64
