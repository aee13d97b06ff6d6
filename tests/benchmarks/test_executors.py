"""What a launcher costs for each task, beside running the stage in this process."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median

from command_line import TOYS
from pytest_benchmark.fixture import BenchmarkFixture
from toy_suites import write_suite

from harness import suite
from harness.engine.executors import Executor
from harness.engine.executors.inline import InlineExecutor
from harness.engine.executors.local import launch
from harness.engine.executors.workers import WorkerExecutor, WorkerSlot
from harness.engine.plan import Plan, make
from harness.engine.runner import Runner
from harness.store.artifacts import Store

TASKS = 200
ROUNDS = 5


def test_overhead_of_a_task_in_a_worker(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    """Tasks of a few microseconds: what remains is call, outcome and events. Inline and a warm worker take turns.

    ``extra_info`` has the median milliseconds of a task in each, and the overhead; the aim is 10 ms.
    """
    plan = small_tasks(tmp_path)
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TOYS), os.environ.get("PYTHONPATH", "")))}
    worker = WorkerExecutor([WorkerSlot(frozenset(), launch(variables, (), 1))])
    walked(plan, worker, tmp_path / "warm")  # the worker is up
    seconds: dict[str, list[float]] = {"inline": [], "local": []}
    rounds = iter(range(ROUNDS))

    def turns() -> None:
        number = next(rounds)
        for name, executor in (("inline", InlineExecutor()), ("local", worker)):
            started = time.perf_counter()
            walked(plan, executor, tmp_path / f"{name}-{number}")
            seconds[name].append((time.perf_counter() - started) / len(plan.tasks))

    benchmark.pedantic(turns, rounds=ROUNDS)
    worker.close()
    inline, local = (1000 * median(found) for found in seconds.values())
    overheads = [1000 * (b - a) for a, b in zip(*seconds.values(), strict=True)]
    benchmark.extra_info |= {
        "tasks": len(plan.tasks),
        "inline_ms": round(inline, 2),
        "local_ms": round(local, 2),
        "overhead_ms": round(median(overheads), 2),
        "overhead_range_ms": [round(min(overheads), 2), round(max(overheads), 2)],
    }


def small_tasks(folder: Path) -> Plan:
    seeds = ", ".join(map(str, range(TASKS // 2)))
    text = (
        "suite: x\nstages:\n  d: {use: toy.draw, count: 1}\nmetrics:\n  n: {use: toy.size, data: d}\n"
        f"seeds:\n  d.seed: [{seeds}]\n"
    )
    return make(suite.load(write_suite(folder, text)))


def walked(plan: Plan, executor: Executor, root: Path) -> None:
    outcomes = Runner(Store(root), executor).run(plan)
    assert {o.state for o in outcomes.values()} == {"executed"}
