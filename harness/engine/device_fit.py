"""Which tasks a device cannot do: by their parameters (``unfit``), or by the memory that they need (``too_large``).

The memory is known at the published architectures. Its bytes were counted, not measured: those of all tensors that live
at the same time (``scripts/gpu_memory.py``). The libraries of CUDA, workspaces of kernels and gaps between tensors come
on top, and so do a moving average of the weights and a text encoder that is trained: a task may run out of memory
without being named here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness.artifact import Json
from harness.engine.memory_table import BATCHES, CURVES
from harness.engine.plan import Plan, Task

GB = 10**9
SIDE, LENGTH = 512, 512
"""Pixels and tokens of the rows that the table counts."""
_REPOSITORIES = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "sd15",
    "runwayml/stable-diffusion-v1-5": "sd15",
    "microsoft/phi-1_5": "phi-1.5",
    "mistralai/Mistral-7B-Instruct-v0.2": "mistral-7b",
}
"""What published weights are: the plan does not open them."""
_SIZES = {"sd15": 512}
_CONTEXTS = {"phi-1.5": 2048, "mistral-7b": 32768}


def unfit(tasks: Iterable[Task], device: str) -> list[str]:
    """Why tasks cannot work on a machine whose best device is ``cpu`` or ``cuda``: a sentence for each stage."""
    told: dict[str, None] = {}
    for task in tasks:
        own = "cpu" if task.stage.resources.gpu == "none" else device
        if why := task.stage.unfit(task.parameters, own):
            told[f"{task.node}: {why}"] = None
    return list(told)


def too_large(plan: Plan, tasks: Iterable[Task], memory: float) -> list[str]:
    """A sentence for each stage that needs more memory than a GPU has.

    Args:
        plan: has the tasks that the tasks take from.
        tasks: those to look at.
        memory: bytes of the GPU.
    """
    worst: dict[str, float] = {}
    for task in tasks:
        if (need := needed(plan, task)) is not None:
            worst[task.node] = max(worst.get(task.node, 0), need)
    return [
        f"{node} needs about {need / GB:.0f} GB of GPU memory (counted, without what CUDA adds), "
        f"this device has {memory / GB:.0f} GB"
        for node, need in worst.items()
        if need > memory
    ]


def gpu_bytes(environment: Mapping[str, Json]) -> float | None:
    """Memory of the first GPU by a recorded environment (``81559 MiB``); None if there is none or it is not said."""
    said = re.fullmatch(r"(\d+) MiB", str(environment.get("gpu_memory", "")))
    return int(said[1]) * 2.0**20 if said else None


def needed(plan: Plan, task: Task) -> float | None:
    """Bytes that live at most in a task; None where the table has no such case."""
    given = task.parameters
    name = task.stage.name
    if name not in {stage for stage, *_ in CURVES} or given.get("optimiser", "adamw") != "adamw":
        return None
    root = _origin(plan, task, ("pipeline",) if name.startswith("text_to_image") else ("base", "model"))
    if root is None or (architecture := _architecture(root)) is None:
        return None
    share = _share(plan, task, root, architecture)
    if share is None:
        return None
    half = "fp32" if given["precision"] == "fp32" else "half"
    method = given.get("method") or given.get("quantisation") or _below(plan, task)
    curve = CURVES.get((name, architecture, half, method, bool(given.get("gradient_checkpointing"))))
    return None if curve is None else _at(curve, given["batch_size"] * share / given.get("processes", 1))


def _origin(plan: Plan, task: Task, through: tuple[str, ...]) -> Task | None:
    """The task that built or loaded what a task computes with."""
    while True:
        taken = next((task.inputs[name] for name in through if task.inputs.get(name)), None)
        if taken is None:
            of = task.inputs.get("of")  # a checkpoint of a training
            if not of:
                return task if _architecture(task) else None
            taken = of
        task = plan.tasks[taken[0][0]]


def _below(plan: Plan, task: Task) -> str:
    """The quantisation of an adapter's base, which is that of the adapter's training."""
    if not task.inputs.get("base"):
        return ""
    trained = plan.tasks[task.inputs["model"][0][0]].parameters.get("method")
    return "nf4" if trained == "qlora" else ""


def _architecture(task: Task) -> str | None:
    said = task.parameters.get("architecture")
    if said is not None:
        return str(said)
    return _REPOSITORIES.get(getattr(task.parameters.get("source"), "repo", None) or "")


def _share(plan: Plan, task: Task, root: Task, architecture: str) -> float | None:
    """One row of the task in rows of the table: images by their pixels, texts by their tokens."""
    given: Mapping[str, Any] = task.parameters
    if architecture in _CONTEXTS:
        context = given.get("context") or root.parameters.get("context") or _CONTEXTS[architecture]
        return float(context) / LENGTH
    if architecture not in _SIZES:
        return None
    side = given["size"] or _SIZES[architecture] if "size" in given else _side(plan, task)
    return None if side is None else (float(side) / SIDE) ** 2


def _side(plan: Plan, task: Task) -> int | None:
    """Side in pixels of the images that a task takes, where a stage above it sets one."""
    waiting = [source for source, _ in task.inputs.get("data", ())]
    while waiting:
        above = plan.tasks[waiting.pop()]
        if isinstance(size := above.parameters.get("size"), int):
            return size
        waiting.extend(above.sources)
    return None


def _at(curve: tuple[int, ...], batch: float) -> float:
    """Bytes at a batch, by straight lines between those of the table, and beyond its last by the last line."""
    after = next((i for i, size in enumerate(BATCHES) if size >= batch), len(BATCHES) - 1)
    if after == 0:
        return float(curve[0])
    left, right = BATCHES[after - 1], BATCHES[after]
    return curve[after - 1] + (curve[after] - curve[after - 1]) * (batch - left) / (right - left)
