"""A test after which its process has held more memory than `memory_limit_mb` fails.

The peak of a process never falls, so the first test that ends above the limit is the one that is named. It counts
what the processes held that the test started, too.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from harness.engine.executors import release

OPTION = "memory_limit_mb"
PASSED = pytest.StashKey[bool]()
HELD = pytest.StashKey[int]()
UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the system counts."""
GARBAGE_MB = 100
"""After so much growth, what tests have left behind is handed back to the system."""
STATM, STATUS = Path("/proc/self/statm"), Path("/proc/self/status")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        OPTION, "the most that a test process, or one that it starts, may hold at once", default="3000"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    yield
    if held_mb() > item.config.stash.get(HELD, 0) + GARBAGE_MB:
        release()
        item.config.stash[HELD] = held_mb()
    limit, found = int(item.config.getini(OPTION)), peak_mb()
    if found > limit and not item.config.stash.get(PASSED, False):
        item.config.stash[PASSED] = True
        pytest.fail(
            f"{item.nodeid}: this process or one of its children has held {found} MB; {OPTION} is {limit}"
        )


def held_mb() -> int:
    """What this process holds now; 0 where the system does not say."""
    if not STATM.exists():
        return 0
    return int(STATM.read_text().split()[1]) * resource.getpagesize() // 10**6


def peak_mb() -> int:
    """The most that this process, or one of those that it waited for, has held so far."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * UNIT
    return max(_own_peak(), children) // 10**6


def _own_peak() -> int:
    """In bytes. What getrusage says begins with what the parent held when it started this process."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    (peak,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024
