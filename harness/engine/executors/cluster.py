"""The slots of a cluster: how many each of its nodes has, and what each reserves there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import UsageError


@dataclass(frozen=True)
class Node:
    """A machine of a cluster, with what the cluster may give away of it."""

    id: str
    host: str
    cpus: float
    gpus: int
    memory: float
    """In bytes."""


@dataclass(frozen=True)
class Place:
    """What one slot reserves on its node, so that all slots of the node that may work at the same time have room."""

    node: Node
    gpus: tuple[int, ...] = ()
    """Which of the node's accelerators, counted from 0; the cluster decides which ones they are."""
    cpus: float = 1.0
    memory: float = 0.0
    """In bytes; 0 to reserve none."""

    @property
    def devices(self) -> frozenset[str]:
        """The accelerators, by names that are unique in the cluster."""
        return frozenset(f"{self.node.id}/{gpu}" for gpu in self.gpus)

    @property
    def threads(self) -> int:
        """The cores that a worker here may use."""
        return max(1, int(self.cpus))

    def __str__(self) -> str:
        parts = [f"{self.cpus:g} CPUs"]
        parts += [f"{len(self.gpus)} GPUs"] if self.gpus else []
        parts += [f"{self.memory / 1e9:.3g} GB of memory"] if self.memory else []
        return f"{', '.join(parts)} on {self.node.host}"


def nodes(listed: Iterable[Mapping[str, Any]], *, use_gpus: bool) -> list[Node]:
    """The nodes that live and have processors, as ``ray.nodes()`` lists them.

    Raises:
        UsageError: there is none.
    """
    found = [
        Node(
            node["NodeID"],
            node["NodeManagerHostname"],
            float(node["Resources"].get("CPU", 0)),
            int(node["Resources"].get("GPU", 0)) if use_gpus else 0,
            float(node["Resources"].get("memory", 0)),
        )
        for node in listed
        if node["Alive"]
    ]
    found = [node for node in found if node.cpus > 0]
    if not found:
        raise UsageError("no node of the cluster has a processor to give; start one with 'ray start'")
    return sorted(found, key=lambda node: node.id)


def places(of: Sequence[Node], jobs: int | None, memory: float) -> list[Place]:
    """The slots: for each accelerator one, for all of a node one more if it has several, the others on processors.

    Args:
        of: the nodes.
        jobs: how many on processors in the whole cluster; None for one on each node with accelerators, and one for
            every two cores of the others.
        memory: the most that a task declares, in bytes. A node has no more slots than its memory has room for, unless
            no node has room for one.
    """
    memory = min(memory, max(node.memory for node in of))
    found = []
    for node, wanted in zip(of, _jobs(of, jobs), strict=True):
        most = math.floor(node.memory / memory) if memory else math.inf
        gpus = int(min(node.gpus, most))
        on_processors = int(min(wanted, most - gpus))
        if gpus + on_processors == 0:
            continue
        own = Place(node, cpus=_share(node.cpus, gpus + on_processors), memory=memory)
        found += [own] * on_processors
        found += [replace(own, gpus=(gpu,)) for gpu in range(gpus)]
        if gpus > 1:
            found.append(replace(own, gpus=tuple(range(gpus)), cpus=round(own.cpus * gpus, 2)))
    return found


def _jobs(of: Sequence[Node], jobs: int | None) -> list[int]:
    """How many slots on processors each node has: each next one goes where it has the most cores for itself."""
    if jobs is None:
        return [1 if node.gpus else max(1, int(node.cpus) // 2) for node in of]
    counts = [0] * len(of)
    for _ in range(jobs):
        at = max(range(len(of)), key=lambda i: of[i].cpus / (counts[i] + of[i].gpus + 1))
        counts[at] += 1
    return counts


def _share(cpus: float, slots: int) -> float:
    """Whole cores for each of several slots; less than one where there are more slots than cores."""
    share = cpus / slots
    return float(math.floor(share)) if share >= 1 else max(0.01, math.floor(share * 100) / 100)
