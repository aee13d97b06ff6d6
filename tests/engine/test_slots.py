"""Which slot takes which task: by the accelerators that a stage needs, and never two that share one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from toy_suites import write_suite

from harness import suite
from harness.engine import runner
from harness.engine.call import Call
from harness.engine.execution import execute
from harness.engine.executors import Ended, Post, Slot
from harness.engine.executors.inline import InlineExecutor
from harness.engine.plan import Plan, make
from harness.engine.runner import Runner
from harness.stage import Resources
from harness.store.artifacts import Store
from harness.suite import registry

NUMBERS = "suite: x\nstages:\n" + "".join(f"  n{i}: {{use: toy.draw, count: {i + 1}}}\n" for i in range(6))
NUMBERS += "metrics:\n" + "".join(f"  m{i}: {{use: toy.size, data: n{i}}}\n" for i in range(6))


class Quiet:
    """Takes reports and drops them."""

    def progress(self, done: int, total: int, what: str) -> None:
        pass

    def log(self, line: str) -> None:
        pass


class HeldSlot:
    """A slot that begins a call and ends it when the executor says so."""

    def __init__(self, devices: Sequence[str], held: HeldExecutor) -> None:
        self.devices = frozenset(devices)
        self.threads: int | None = None
        self.held = held

    def start(self, call: Call, post: Post) -> None:
        self.held.begin(self, call, post)


class HeldExecutor(InlineExecutor):
    """Notes which calls are in progress at the same time; each ends when no more can begin."""

    def __init__(self, *devices: Sequence[str]) -> None:
        super().__init__()
        self.slots = [HeldSlot(d, self) for d in devices]
        self.running: list[tuple[HeldSlot, Call, Post]] = []
        self.seen: list[list[tuple[str, frozenset[str], str]]] = []

    def open(self, plan: Plan, store: Store) -> Sequence[Slot]:
        return self.slots

    def begin(self, slot: HeldSlot, call: Call, post: Post) -> None:
        self.running.append((slot, call, post))

    def finish_all(self) -> None:
        self.seen.append([(call.node, slot.devices, call.device) for slot, call, _ in self.running])
        running, self.running = self.running, []
        for _, call, post in running:
            post(Ended(execute(call, Quiet())))


def walked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, executor: HeldExecutor, gpu: Callable[[str], Resources]
) -> None:
    """Run the numbers with the resources of each node; calls end together whenever the runner waits."""
    plan = make(suite.load(write_suite(folder, NUMBERS)))
    tasks = {i: replace(t, stage=replace(t.stage, resources=gpu(t.node))) for i, t in plan.tasks.items()}
    listen = runner._Walk._listen

    def wait(walk: runner._Walk, timeout: float | None) -> None:
        if walk._messages.empty():
            executor.finish_all()
        listen(walk, timeout)

    monkeypatch.setattr(runner._Walk, "_listen", wait)
    outcomes = Runner(Store(folder / "store"), executor).run(replace(plan, tasks=tasks))
    assert {o.state for o in outcomes.values()} == {"executed"}


def test_tasks_without_a_gpu_fill_the_slots_of_processors_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = HeldExecutor((), ("a",), ("b",), ("a", "b"))
    walked(tmp_path, monkeypatch, executor, lambda node: Resources("none"))
    assert executor.seen[0] == [
        ("n0", frozenset(), "cpu"),
        ("n1", frozenset("a"), "cpu"),
        ("n2", frozenset("b"), "cpu"),
    ]


def test_a_task_with_a_gpu_waits_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = HeldExecutor((), ("a",), ("b",), ("a", "b"))
    walked(tmp_path, monkeypatch, executor, lambda node: Resources("one" if node.startswith("n") else "none"))
    assert executor.seen[0] == [("n0", frozenset("a"), "cuda"), ("n1", frozenset("b"), "cuda")]
    for together in executor.seen:
        used = [d for _, devices, _ in together for d in devices]
        assert len(used) == len(set(used))
        for node, devices, device in together:
            assert (device == "cuda") == node.startswith("n")
            assert not node.startswith("n") or devices


def test_a_task_that_uses_all_gpus_has_them_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = HeldExecutor((), ("a",), ("b",), ("a", "b"))
    walked(
        tmp_path,
        monkeypatch,
        executor,
        lambda node: Resources("all" if node == "n1" else "one" if node[0] == "n" else "none"),
    )
    [beside] = [together for together in executor.seen if "n1" in {node for node, _, _ in together}]
    assert ("n1", frozenset("ab"), "cuda") in beside
    assert [node for node, devices, _ in beside if devices] == ["n1"]


def test_tasks_that_need_more_memory_than_there_is_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = HeldExecutor((), (), ())
    monkeypatch.setattr(executor, "memory_gb", lambda: 16.0)
    needs = {"n0": 10.0, "n1": 10.0, "n2": 6.0, "n3": 99.0}
    walked(tmp_path, monkeypatch, executor, lambda node: Resources("none", needs.get(node)))
    for together in executor.seen:
        held = [needs.get(node, 0.0) for node, _, _ in together]
        assert sum(held) <= 16 or len(held) == 1
    assert {"n0", "n2"} <= {node for node, _, _ in executor.seen[0]}  # those that fit go together
    assert any([node for node, _, _ in together] == ["n3"] for together in executor.seen)  # too large: alone


@pytest.mark.parametrize("gpu", ["none", "one", "all"])
def test_without_accelerators_every_task_runs_on_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpu: str
) -> None:
    executor = HeldExecutor((), ())
    walked(tmp_path, monkeypatch, executor, lambda node: Resources(gpu))  # type: ignore[arg-type]
    assert len(executor.seen[0]) == 2
    assert max(len(together) for together in executor.seen) == 2
    assert {device for together in executor.seen for _, _, device in together} == {"cpu"}


def test_a_stage_that_declares_torch_uses_a_gpu_unless_it_says_otherwise() -> None:
    found = {s.name: s.resources.gpu for s in registry.all_stages([])}
    assert found["text_to_image.sample"] == found["land_cover.train"] == "one"
    assert found["scenes.draw"] == found["kernel.distance"] == "none"
