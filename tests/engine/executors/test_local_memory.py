"""What a long task leaves in circles of references is gone before the next task begins."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.engine.executors import Call, local
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
    monkeypatch.setattr(local, "LONG_S", long_s)
    stage = Stage("trained.train", train, 1, (), {}, {}, {}, {}, takes_job=False)
    executed = local.LocalExecutor().execute(Call(stage, {}, {}, tmp_path), lambda done, total, what: None)
    assert executed.returned.accuracy == 0.5
    assert (KEPT[-1]() is None) == gone
