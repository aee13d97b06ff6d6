"""``local``: worker processes on this machine, one for each accelerator, or ``--jobs N`` of them on its processor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence

from harness.engine.executors import Options
from harness.engine.executors.workers import Launch, WorkerExecutor, WorkerSlot, died

MOVING = ("ATEN_", "ONEDNN_", "CUBLAS_", "HARNESS_DEVICE")
"""Beginnings of the names of variables that move results."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_UUID = re.compile(r"UUID: ((?:GPU|MIG)-[\w/.-]+)")


def executor(options: Options) -> WorkerExecutor:
    """The executor for a command line: a slot for each accelerator, one for all of them, and those on processors.

    Without an accelerator and without ``--jobs`` there is one slot for every two cores.
    """
    return WorkerExecutor(
        [
            WorkerSlot(frozenset(devices), launch(os.environ, devices, sharing))
            for devices, sharing in places(options.jobs)
        ]
    )


def places(jobs: int | None) -> list[tuple[tuple[str, ...], int]]:
    """The slots of this machine: the accelerators of each, and how many workers share the processor with it.

    Args:
        jobs: number of slots on processors; None for one beside accelerators, else one for every two cores.
    """
    devices = accelerators(os.environ)
    jobs = jobs or (1 if devices else max(1, cores() // 2))
    found: list[tuple[tuple[str, ...], int]] = [((), jobs)] * jobs
    found += [((device,), jobs + len(devices)) for device in devices]
    return found + ([(tuple(devices), jobs + 1)] if len(devices) > 1 else [])


def launch(environment: Mapping[str, str], devices: Sequence[str], workers: int) -> Launch:
    """How a worker is started.

    Args:
        environment: variables of this process.
        devices: the accelerators that the worker sees.
        workers: how many share the processor; the number of threads that the user has set stays.
    """
    variables = {**environment, **threads(environment, workers), "CUDA_VISIBLE_DEVICES": ",".join(devices)}
    return Launch(
        [sys.executable, "-m", "harness", "worker"], variables, died, threads=thread_count(variables)
    )


def threads(environment: Mapping[str, str], workers: int, among: int | None = None) -> dict[str, str]:
    """The variables that give each of several workers its share of the cores, or what the user has set.

    Args:
        environment: variables of this process.
        workers: how many share the cores.
        among: how many cores they share; None for those of this process.
    """
    share = str(max(1, (among or cores()) // workers))
    return {name: environment.get(name, environment.get("OMP_NUM_THREADS", share)) for name in THREADS}


def thread_count(variables: Mapping[str, str]) -> int | None:
    """The number of threads that variables ask for; None if they leave it to the libraries."""
    first = variables.get(THREADS[0], "").partition(",")[0].strip()  # the others are for nested regions
    return int(first) if first.isdecimal() and int(first) > 0 else None


def moving(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that move results, for workers that do not have all of this process's."""
    return {name: value for name, value in environment.items() if name.startswith(MOVING)}


def accelerators(environment: Mapping[str, str]) -> list[str]:
    """The visible accelerators by number, or by UUID of a GPU or a MIG slice, as ``CUDA_VISIBLE_DEVICES`` has them."""
    if environment.get("HARNESS_DEVICE") == "cpu":
        return []
    said = environment.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [name.strip() for name in said.split(",") if name.strip() not in ("", "-1")]
    try:
        ran = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return listed(ran.stdout)


def listed(text: str) -> list[str]:
    """The devices in the output of ``nvidia-smi -L``; a GPU that is cut into slices counts by its slices."""
    names = _UUID.findall(text)
    return [
        name
        for name, after in zip(names, [*names[1:], ""], strict=True)
        if name.startswith("MIG-") or not after.startswith("MIG-")
    ]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
