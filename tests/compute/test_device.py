"""Time and memory of a block, the sum over several, and what a full device says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from harness.compute.device import Meter, Usage, enough_memory, is_out_of_memory, total
from harness.errors import ResourceError

MIB = 2**20

BLOCKS = f"""
import json, time
from dataclasses import asdict
import numpy as np
from harness.compute.device import Meter

told = []
for size in (0, 200, 0):
    with Meter("cpu") as meter:
        started = time.perf_counter()
        filled = np.ones(size * {MIB}, dtype=np.uint8)
        elapsed = time.perf_counter() - started
    del filled
    told.append(asdict(meter.usage) | {{"elapsed": elapsed}})
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def blocks():
    """Usage of three blocks, the second of which fills 200 MiB, in a process that nothing else has filled."""
    said = subprocess.run([sys.executable, "-c", BLOCKS], capture_output=True, text=True, check=True).stdout
    return json.loads(said)


def test_a_block_is_measured(blocks):
    before, filling, _ = blocks
    assert filling["wall_s"] >= filling["elapsed"] > 0
    assert filling["host_bytes"] == filling["peak_bytes"] > before["host_bytes"] + 150 * MIB
    assert filling["energy_j"] is None
    assert filling["threads"] >= 1
    assert filling["device"]


def test_the_peak_of_an_earlier_block_is_forgotten(blocks):
    _, filling, after = blocks
    assert after["host_bytes"] < filling["host_bytes"] - 150 * MIB


def test_what_fails_is_not_hidden_by_the_meter():
    with pytest.raises(ValueError, match="of the work"), Meter("cpu"):
        raise ValueError("of the work")


def test_parts_add_up():
    a = Usage(wall_s=1.0, peak_bytes=5, host_bytes=9, energy_j=2.0, device="d", threads=2)
    b = Usage(wall_s=2.5, peak_bytes=7, host_bytes=8, energy_j=3.0, device="d", threads=2)
    assert total([a, b]) == {
        "wall_s": 3.5,
        "peak_bytes": 7,
        "host_bytes": 9,
        "energy_j": 5.0,
        "device": "d",
        "threads": 2,
    }
    unknown = Usage(wall_s=1.0, peak_bytes=5, host_bytes=9, energy_j=None, device="d", threads=2)
    assert total([a, unknown])["energy_j"] is None


def test_what_full_devices_say_is_understood() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    assert is_out_of_memory(RuntimeError("could not create a primitive"))  # all that oneDNN says
    assert not is_out_of_memory(RuntimeError("could not create a primitive descriptor for a convolution"))
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))


def test_a_full_device_is_said_with_what_to_do() -> None:
    with (
        pytest.raises(ResourceError, match=r"^out of memory at batch_size 4$"),
        enough_memory("at batch_size 4"),
    ):
        raise MemoryError
    with pytest.raises(RuntimeError, match=r"^shapes$"), enough_memory("at batch_size 4"):
        raise RuntimeError("shapes")
