"""What a long task leaves in circles of references is gone before the next task begins."""

from __future__ import annotations

import gc
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
