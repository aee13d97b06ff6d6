"""What drawing a scene costs, PNG and metadata included."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from jobs import FolderJob
from pytest_benchmark.fixture import BenchmarkFixture

from harness.artifact import Scenes
from harness.stages.data import scenes

PER_CLASS = 4


@pytest.mark.parametrize("size", [64, 224])
def test_drawing_scenes(tmp_path: Path, benchmark: BenchmarkFixture, size: int) -> None:
    """The time is that of 28 scenes, four of each class; ``ms_per_scene`` is of one."""
    folders = count()

    def draw() -> Scenes:
        job = FolderJob(tmp_path / str(next(folders)))
        return scenes.draw(per_class=PER_CLASS, size=size, region="temperate", seed=0, job=job)

    made = benchmark.pedantic(draw, rounds=3, warmup_rounds=1)
    assert made.facts["count"] == 7 * PER_CLASS
    if benchmark.stats:
        benchmark.extra_info["ms_per_scene"] = round(benchmark.stats.stats.min * 1000 / (7 * PER_CLASS), 2)
