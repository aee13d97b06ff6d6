"""Time and memory of a block, and the sum over several."""

import json
import subprocess
import sys

import pytest

from harness.compute.meter import Meter, Usage, total

MIB = 2**20

BLOCKS = f"""
import json, time
from dataclasses import asdict
import numpy as np
from harness.compute.meter import Meter

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
