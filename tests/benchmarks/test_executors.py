"""What a launcher costs for each task, beside running the stage in this process.

The container launcher is measured with the image that ``HARNESS_BENCH_IMAGE`` names: one with the harness and
``tests/toy_package``, as ``tests/benchmarks/toy.Dockerfile`` makes it. The Ray launcher is measured where Ray is
installed, on a cluster of one slot that is started for it.
"""

from __future__ import annotations

import os
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import pytest
from command_line import TOYS
from pytest_benchmark.fixture import BenchmarkFixture
from toy_suites import write_suite

from harness import suite
from harness.engine import images
from harness.engine.executors import Executor, Options, choose
from harness.engine.executors.engines import find
from harness.engine.executors.inline import InlineExecutor
from harness.engine.plan import Plan, make
from harness.engine.runner import Runner
from harness.store.artifacts import Store

TASKS = 1000
ROUNDS = 5
IMAGE = "HARNESS_BENCH_IMAGE"


@pytest.mark.parametrize("name", ["local", "container", "ray"])
def test_overhead_of_a_task_in_a_worker(
    tmp_path: Path, benchmark: BenchmarkFixture, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks of a few microseconds: what remains is call, outcome and events. Inline and a warm worker take turns.

    ``extra_info`` has the median milliseconds of a task in each, and the overhead; the aims are 10 ms for ``local`` and
    20 ms for ``container``.
    """
    if name == "container" and IMAGE not in os.environ:
        pytest.skip(f"{IMAGE} names no image")
    if name == "ray" and find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(TOYS), os.environ.get("PYTHONPATH", ""))))
    launcher = choose(name, Options(jobs=1))
    seconds: dict[str, list[float]] = {"inline": [], name: []}
    rounds = iter(range(ROUNDS))
    try:
        plan = small_tasks(tmp_path, boxed=name == "container", executor=launcher)
        # One store for all rounds of a launcher, emptied after each: containers see the folders they were started with.
        walked(plan, launcher, tmp_path / name)

        def turns() -> None:
            next(rounds)
            for place, executor in (("inline", InlineExecutor()), (name, launcher)):
                started = time.perf_counter()
                walked(plan, executor, tmp_path / place)
                seconds[place].append((time.perf_counter() - started) / len(plan.tasks))

        benchmark.pedantic(turns, rounds=ROUNDS)
    finally:
        launcher.close()
    inline, other = (1000 * median(found) for found in seconds.values())
    overheads = [1000 * (b - a) for a, b in zip(*seconds.values(), strict=True)]
    benchmark.extra_info |= {
        "tasks": len(plan.tasks),
        "inline_ms": round(inline, 2),
        f"{name}_ms": round(other, 2),
        "overhead_ms": round(median(overheads), 2),
        "overhead_range_ms": [round(min(overheads), 2), round(max(overheads), 2)],
    }


def small_tasks(folder: Path, *, boxed: bool, executor: Executor) -> Plan:
    seeds = ", ".join(map(str, range(TASKS // 2)))
    image = "image: toy\n" if boxed else ""
    text = (
        f"suite: x\n{image}stages:\n  d: {{use: toy.draw, count: 1}}\nmetrics:\n  n: {{use: toy.size, data: d}}\n"
        f"seeds:\n  d.seed: [{seeds}]\n"
    )
    file = write_suite(folder, text)
    if boxed:
        engine = find(None, folder / "images")
        images.write_lock(folder, {"toy": images.described(os.environ[IMAGE], engine)})
    bound = suite.load(file)
    return make(bound, code=executor.code(bound, Store(folder / "codes")))


def walked(plan: Plan, executor: Executor, root: Path) -> None:
    """Run all tasks in an empty store, and empty it."""
    store = Store(root)
    outcomes = Runner(store, executor).run(plan)
    assert {o.state for o in outcomes.values()} == {"executed"}
    for outcome in outcomes.values():
        assert outcome.entry is not None
        store.discard(outcome.entry.key)
