"""``make gpu``: without a GPU it says so; what it compares with works with a processor in the GPU's place."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from stand_in_gpu import stand_in_gpu

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "gpu.py"


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_script"] = module
    spec.loader.exec_module(module)
    return module


def test_without_a_gpu_it_says_so_and_writes_nothing() -> None:
    document = ROOT / "docs" / "gpu.md"
    before = document.read_bytes() if document.exists() else None
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 2
    assert done.stderr == "make gpu: torch finds no GPU here, so nothing was measured\n"
    assert done.stdout == ""
    assert (document.read_bytes() if document.exists() else None) == before


@pytest.fixture(scope="module")
def inputs(gpu: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return gpu.Inputs(tmp_path_factory.mktemp("inputs"))


QUICK = ("language_model.likelihood", "features.extract", "land_cover.predict")


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_processor_agrees_with_itself(gpu: ModuleType, inputs: Any, every: bool) -> None:
    steps = tuple(gpu.STEPS) if every else QUICK
    rows = gpu.compared(inputs, "cpu", steps)
    assert [row.step for row in rows if row.precision == "fp32"] == list(steps)
    for row in rows:
        assert row.good, row
        assert row.peak > 0
        assert (row.difference == 0) == (row.precision == "fp32"), row
    text = gpu.document(["device: none"], rows, [("chain", 4, 61.2), ("prompts", 70, 3.0)])
    assert "| chain | no baseline of this device yet | 61 |" in text
    assert "| prompts | exit code 70 | 3 |" in text
    assert "too far" not in text.partition("| step |")[2]


def test_the_way_over_a_gpu_is_open(gpu: ModuleType, inputs: Any) -> None:
    """With the stand-in of ``test_devices.py``: the same figures, in another order of sums."""
    with stand_in_gpu():
        rows = gpu.compared(inputs, "cuda", QUICK)
    assert {row.precision for row in rows} == {"fp32", "fp16", "bf16"}
    assert all(row.good for row in rows), rows


def test_other_numbers_are_too_far(gpu: ModuleType) -> None:
    row = gpu.Row("a step", "fp32", 0.2, 1)
    assert "| a step | fp32 | 0.2 | 0.001 | too far | 0 |" in gpu.document([], [row], [])
    assert gpu._apart(gpu.np.ones(3), gpu.np.ones(4)) == float("inf")
    assert gpu._apart(gpu.np.array([1.0, float("nan")]), gpu.np.ones(2)) == float("inf")
