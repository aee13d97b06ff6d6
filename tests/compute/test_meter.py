"""Time and memory of a block, and the sum over several."""

import time

import numpy as np
import pytest
import torch

from harness.compute.meter import Meter, Usage, total

MIB = 2**20


def test_a_block_is_measured():
    with Meter("cpu") as before:
        pass
    with Meter("cpu") as meter:
        started = time.perf_counter()
        filled = np.ones(200 * MIB, dtype=np.uint8)
        elapsed = time.perf_counter() - started
    usage = meter.usage
    assert filled.all()
    assert usage.wall_s >= elapsed > 0
    assert usage.host_bytes == usage.peak_bytes > before.usage.host_bytes + 150 * MIB
    assert usage.energy_j is None
    assert usage.threads == torch.get_num_threads()
    assert usage.device


def test_the_peak_of_an_earlier_block_is_forgotten():
    with Meter("cpu") as first:
        np.ones(200 * MIB, dtype=np.uint8)
    with Meter("cpu") as second:
        pass
    assert second.usage.host_bytes < first.usage.host_bytes - 150 * MIB


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
