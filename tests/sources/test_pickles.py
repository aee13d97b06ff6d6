"""The command that makes safetensors of a pickle does."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.sources.weight_files import conversion

LAYERS = {"conv.weight": torch.arange(6.0).reshape(2, 3).T, "conv.bias": torch.ones(2)}


@pytest.mark.parametrize(
    "checkpoint",
    [LAYERS, {"state_dict": LAYERS, "epoch": 3, "optimizer": {"lr": 0.1}}],
    ids=["bare", "wrapped"],
)
def test_the_command_writes_the_tensors_of_a_checkpoint(tmp_path: Path, checkpoint: dict[str, Any]) -> None:
    torch.save(checkpoint, tmp_path / "model.pth")
    python, *arguments = shlex.split(conversion("model.pth", "model.safetensors"))
    assert python == "python"
    subprocess.run([sys.executable, *arguments], cwd=tmp_path, check=True)
    made = load_file(tmp_path / "model.safetensors")
    assert made.keys() == LAYERS.keys()
    assert all(torch.equal(made[name], tensor) for name, tensor in LAYERS.items())
