"""Why ``engine/execution.py`` lets OpenMP's threads spin only briefly while they wait for one another.

Under ACTIVE they spin for long, which is the fastest on an idle machine and stalls as soon as a second process
wants one of the cores: a spinning thread then keeps from its core the very thread that it waits for. Under PASSIVE
they sleep at once, which is slow on an idle machine. BRIEF is what the harness sets.
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

from pytest_benchmark.fixture import BenchmarkFixture

STEPS = """
import time
import timm
import torch

network = timm.create_model("resnet18", num_classes=7)
images, labels = torch.rand(8, 3, 64, 64), torch.arange(8) % 7

def step():
    torch.nn.functional.cross_entropy(network(images), labels).backward()

step()
started, done = time.perf_counter(), 0
while done < 10 and time.perf_counter() - started < 10:
    step()
    done += 1
print((time.perf_counter() - started) / done)
"""
BUSY = "while True: pass"
ROUNDS = 2


def test_a_training_step_beside_a_busy_process(benchmark: BenchmarkFixture) -> None:
    """A ResNet-18 at 64 px, eight images. The policies take turns, each time beside one new busy process.

    ``extra_info`` has the median seconds of a step under each policy, and how many times PASSIVE's they are.
    """
    seconds: dict[str, list[float]] = {"PASSIVE": [], "BRIEF": [], "ACTIVE": []}

    def turns() -> None:
        for policy, found in seconds.items():
            found.append(step_seconds(policy))

    benchmark.pedantic(turns, rounds=ROUNDS)
    passive, brief, active = (median(found) for found in seconds.values())
    benchmark.extra_info |= {
        "passive_s": round(passive, 3),
        "brief_s": round(brief, 3),
        "active_s": round(active, 3),
    }
    benchmark.extra_info["brief_over_passive"] = round(brief / passive, 1)
    benchmark.extra_info["active_over_passive"] = round(active / passive, 1)


def step_seconds(policy: str) -> float:
    cores = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    waiting = {"GOMP_SPINCOUNT": "10000"} if policy == "BRIEF" else {"OMP_WAIT_POLICY": policy}
    inherited = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    setting = {**inherited, **waiting, "OMP_NUM_THREADS": cores, "CUDA_VISIBLE_DEVICES": ""}
    busy = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        done = subprocess.run(
            [sys.executable, "-c", STEPS], env=setting, capture_output=True, text=True, check=True
        )
    finally:
        busy.kill()
        busy.wait()
    return float(done.stdout)
