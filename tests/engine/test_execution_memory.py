"""What a task leaves behind does not stay in the process."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.engine import execution
from harness.engine.call import Call
from harness.stage import Higher, Scores, Stage

KEPT: list[weakref.ref[Trainer]] = []


class Trainer:
    """Refers to itself, as a trainer does by way of its loops and its network."""

    def __init__(self) -> None:
        self.itself = self


@dataclass(frozen=True, kw_only=True)
class Accuracy(Scores):
    accuracy: Higher


def train() -> Accuracy:
    KEPT.append(weakref.ref(Trainer()))
    return Accuracy(accuracy=0.5)


class Unheard:
    """Takes reports and drops them."""

    def progress(self, done: int, total: int, what: str) -> None:
        pass

    def log(self, line: str) -> None:
        pass


@pytest.fixture
def seldom() -> Iterator[None]:
    """The collector does not look by itself."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(("long_s", "gone"), [(0.0, True), (3600.0, False)])
def test_circles_are_collected_after_a_long_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seldom: None, long_s: float, gone: bool
) -> None:
    monkeypatch.setattr(execution, "LONG_S", long_s)
    stage = Stage("trained.train", train, 1, (), {}, {}, {}, {}, takes_job=False)
    (tmp_path / "entry").mkdir()
    executed = execution.execute(Call("a", "0" * 64, stage, {}, {}, {}, "cpu", tmp_path), Unheard())
    assert executed.result is not None
    assert executed.result.values == {"accuracy": 0.5}
    assert (KEPT[-1]() is None) == gone


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
