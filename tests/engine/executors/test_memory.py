"""What a task leaves behind does not stay in the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FRAGMENTS = """
import gc, os
from harness.engine.execution import release

def held():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

class Node:
    pass

gc.disable()
kept = []
before = held()
for _ in range(5_000):
    one, other = Node(), Node()
    one.other, other.one, one.block = other, one, b"x" * 40_000
    kept.append(bytes(600))  # stays, between the blocks
del one, other
full = held() - before
release()
print(full, held() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="only Linux says what a process holds")
def test_circles_and_the_gaps_that_they_leave_are_returned_to_the_system() -> None:
    said = subprocess.run(
        [sys.executable, "-c", FRAGMENTS], capture_output=True, text=True, check=True
    ).stdout
    full, left = map(int, said.split())
    assert full > 190_000_000
    assert left < 0.25 * full
