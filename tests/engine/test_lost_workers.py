"""A call whose worker is lost is begun again, in a new work folder; a slot that is withdrawn gets no more calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from toy_suites import write_suite

from harness import suite
from harness.engine.attempt import Outcome
from harness.engine.call import Call
from harness.engine.execution import execute
from harness.engine.executors import Ended, Lost, Message, Post, Slot, Withdrawn
from harness.engine.executors.inline import InlineExecutor
from harness.engine.plan import Plan, make
from harness.engine.runner import ATTEMPTS, Event, Runner
from harness.errors import UsageError
from harness.stage import Resources
from harness.store.artifacts import Store

TWO = "suite: x\nstages:\n  a: {use: toy.draw, count: 1}\n  b: {use: toy.draw, count: 2}\n"
TWO += "metrics:\n  m: {use: toy.size, data: a}\n  n: {use: toy.size, data: b}\n"

Instead = Callable[[Call], Message | None]
"""What is told in place of a call's execution; None to execute it."""


class Quiet:
    """Takes reports and drops them."""

    def progress(self, done: int, total: int, what: str) -> None:
        pass

    def log(self, line: str) -> None:
        pass


class FaultySlot:
    """A slot in this process whose worker may be lost."""

    threads = None

    def __init__(self, instead: Instead, devices: frozenset[str] = frozenset()) -> None:
        self.instead = instead
        self.devices = devices
        self.threads: int | None = None
        self.given: list[Call] = []

    def start(self, call: Call, post: Post) -> None:
        self.given.append(call)
        post(self.instead(call) or Ended(execute(call, Quiet())))


class Executor(InlineExecutor):
    """An executor with these slots."""

    def __init__(self, *slots: FaultySlot) -> None:
        super().__init__()
        self.slots = slots

    def open(self, plan: Plan, store: Store) -> Sequence[Slot]:
        return self.slots


def run(
    folder: Path, *slots: FaultySlot, gpu: str = "none", fresh: frozenset[str] = frozenset()
) -> tuple[dict[str, Outcome], list[Event]]:
    """Run two stages of numbers and their sizes; ``a`` has ``gpu``."""
    plan = make(suite.load(write_suite(folder, TWO)))
    tasks = {
        i: replace(t, stage=replace(t.stage, resources=Resources(gpu if t.node == "a" else "none")))  # type: ignore[arg-type]
        for i, t in plan.tasks.items()
    }
    told: list[Event] = []
    runner = Runner(Store(folder / "store"), Executor(*slots), fresh, told.append)
    outcomes = runner.run(replace(plan, tasks=tasks))
    return {node: outcome for (node, _), outcome in outcomes.items()}, [e for e in told if e.kind == "lost"]


@pytest.mark.parametrize("fresh", [frozenset[str](), frozenset({"a"})])
def test_a_call_is_begun_again_in_a_new_folder_with_what_it_had_saved(
    tmp_path: Path, fresh: frozenset[str]
) -> None:
    def instead(call: Call) -> Message | None:
        saved = call.work / "scratch" / "so-far"
        if call.node != "a" or saved.exists():
            return None
        saved.touch()
        (call.work / "entry" / "half").mkdir()
        return Lost("its machine is gone")

    slot = FaultySlot(instead)
    outcomes, lost = run(tmp_path, slot, fresh=fresh)
    assert {o.state for o in outcomes.values()} == {"executed"}
    [event] = lost
    assert (event.task.node, event.done, event.total, event.what) == ("a", 1, ATTEMPTS, "its machine is gone")
    first, second = (call.work for call in slot.given if call.node == "a")
    assert first != second
    entry = outcomes["a"].entry
    assert entry is not None
    assert not any("half" in name for name in entry.files)
    assert not list((tmp_path / "store" / "work").iterdir())


def test_a_call_that_is_lost_again_and_again_fails_and_keeps_what_it_had_saved(tmp_path: Path) -> None:
    def instead(call: Call) -> Message | None:
        (call.work / "scratch" / call.node).touch()
        return Lost("out of memory") if call.node == "a" else None

    slot = FaultySlot(instead)
    outcomes, lost = run(tmp_path, slot)
    assert outcomes["a"].error == f"out of memory; begun {ATTEMPTS} times"
    assert [(outcomes[node].state) for node in "abmn"] == ["failed", "executed", "skipped", "executed"]
    assert [event.done for event in lost] == [1, 2]
    assert [call.node for call in slot.given].count("a") == ATTEMPTS
    assert len(list((tmp_path / "store" / "work").glob("*/scratch/a"))) == 1


def test_a_slot_that_is_withdrawn_gets_no_more_calls(tmp_path: Path) -> None:
    full, good = FaultySlot(lambda call: Withdrawn("no room")), FaultySlot(lambda call: None)
    outcomes, lost = run(tmp_path, full, good)
    assert {o.state for o in outcomes.values()} == {"executed"}
    assert len(full.given) == 1
    assert [(event.done, event.what) for event in lost] == [(0, "no room")]


def test_without_a_slot_that_is_left_the_run_ends_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no place is left for \w: no room"):
        run(tmp_path, FaultySlot(lambda call: Withdrawn("no room")))


def test_a_task_of_an_accelerator_never_runs_on_a_processor_because_a_slot_was_withdrawn(
    tmp_path: Path,
) -> None:
    processor = FaultySlot(lambda call: None)
    with pytest.raises(UsageError, match="no place is left for a: no room"):
        run(tmp_path, processor, FaultySlot(lambda call: Withdrawn("no room"), frozenset("g")), gpu="one")
    assert "a" not in {call.node for call in processor.given}


def test_a_lost_accelerator_that_no_task_needs_is_no_obstacle(tmp_path: Path) -> None:
    slots = FaultySlot(lambda call: None), FaultySlot(lambda call: Withdrawn("no room"), frozenset("g"))
    outcomes, _ = run(tmp_path, *slots)
    assert {o.state for o in outcomes.values()} == {"executed"}
