"""``container``: every task runs in the image that its suite names, by a worker for each slot and image.

A container sees the store's finished entries and the suite's sources, read-only, and the folder of tasks in progress.
It has no network, a read-only root and no privileges, and its files belong to the caller.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.artifact import Json
from harness.engine import images
from harness.engine.call import Call
from harness.engine.executors import Options, Post, Slot
from harness.engine.executors.engines import Container, Engine, driver, find, is_gone, leftover, said
from harness.engine.executors.local import moving, places, thread_count, threads
from harness.engine.executors.workers import Launch, WorkerSlot, died
from harness.engine.images import Image
from harness.engine.plan import Plan
from harness.engine.suite_sources import found_sources
from harness.errors import UsageError
from harness.store.artifacts import Store
from harness.store.environment import total_memory_gb
from harness.suite import Suite

OUT_OF_MEMORY = 137


def executor(options: Options) -> ContainerExecutor:
    """The executor for a command line."""
    return ContainerExecutor(options)


class ContainerExecutor:
    """Starts workers in containers.

    Args:
        options: what the command line and the project say.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._engine: Engine | None = None
        self._images: dict[str, Image] = {}
        self._slots: list[ContainerSlot] = []

    def code(self, suite: Suite, store: Store) -> Mapping[str, Mapping[str, Json]]:
        self._engine = self._engine or find(self._options.engine, store.root / "images")
        self._images, code = imaged(suite, store, self._engine)
        return code

    def open(self, plan: Plan, store: Store) -> Sequence[Slot]:
        if not self._slots:
            assert self._engine is not None
            remove_leftovers(self._engine)
            boxes = Boxes.of(plan.suite, store, self._options.memory)
            self._slots = [
                ContainerSlot(
                    frozenset(devices),
                    self._images,
                    boxes.starter(self._engine, devices, sharing, os.environ),
                    thread_count(threads(os.environ, sharing)),
                )
                for devices, sharing in places(self._options.jobs)
            ]
        return self._slots

    def memory_gb(self) -> float:
        return total_memory_gb()

    def close(self) -> None:
        workers = [worker for slot in self._slots for worker in slot.workers.values()]
        for worker in workers:
            worker.ask_to_stop()
        for worker in workers:
            worker.stop()
        self._slots = []


@dataclass(frozen=True)
class Boxes:
    """What containers see of the machine, and the memory that each may take."""

    readable: Sequence[Path]
    """Absolute paths."""
    writable: Sequence[Path]
    memory: str | None

    @classmethod
    def of(cls, suite: Suite, store: Store, memory: str | None) -> Boxes:
        """For a suite: the store's finished entries and the sources, and the folder of tasks in progress.

        Raises:
            UsageError: a path that an engine's command line cannot name.
        """
        objects, work = (store.root / name for name in ("objects", "work"))
        for folder in (objects, work):
            folder.mkdir(parents=True, exist_ok=True)
        readable = [objects, *mounts(found_sources(suite))]
        return cls([p.absolute() for p in readable], [work.absolute()], memory)

    def starter(
        self, engine: Engine, gpus: Sequence[str], sharing: int, environment: Mapping[str, str]
    ) -> Callable[[Image], WorkerSlot]:
        """What makes the worker of an image on this machine.

        Args:
            engine: of this machine.
            gpus: the accelerators that the worker sees.
            sharing: how many workers share the processor.
            environment: variables of the driver.
        """

        def start(image: Image) -> WorkerSlot:
            container = Container(
                image.runs_as,
                ("harness", "worker"),
                f"harness-{uuid.uuid4().hex[:16]}",
                driver(),
                self.readable,
                self.writable,
                variables(image, gpus, sharing, environment),
                gpus,
                (os.getuid(), os.getgid()),
                memory=self.memory,
            )
            return WorkerSlot(frozenset(gpus), launch(engine, container))

        return start


def imaged(
    suite: Suite, store: Store, engine: Engine
) -> tuple[dict[str, Image], dict[str, Mapping[str, Json]]]:
    """Node → its image, and node → its stage's part of the keys in that image.

    Raises:
        UsageError: a node has no image, or its image is not on this machine or lacks the stage.
    """
    locked = images.lock(suite.project)
    found: dict[str, Image] = {}
    code: dict[str, Mapping[str, Json]] = {}
    for name, node in suite.nodes.items():
        if node.image is None:
            raise UsageError(
                f"{node.where}: {name!r} has no image; a run in containers needs 'image' in the suite"
            )
        image = found[name] = images.find(node.image, locked)
        images.check_there(image, engine)
        identity = images.identities(image, engine, store).get(node.stage.name)
        if not isinstance(identity, Mapping) or "source" not in identity:
            told = f": {identity}" if isinstance(identity, str) else ""
            raise UsageError(f"{node.where}: image {node.image.text} has no stage {node.stage.name}{told}")
        code[name] = identity
    return found, code


@dataclass
class ContainerSlot:
    """A slot with a worker for each image that its calls need."""

    devices: frozenset[str]
    images: Mapping[str, Image]
    """Node → its image."""
    begin: Callable[[Image], WorkerSlot]
    threads: int | None
    workers: dict[Image, WorkerSlot] = field(default_factory=dict)

    def __hash__(self) -> int:
        return id(self)

    def start(self, call: Call, post: Post) -> None:
        image = self.images[call.node]
        if image not in self.workers:
            self.workers[image] = self.begin(image)
        self.workers[image].start(call, post)


def launch(engine: Engine, container: Container) -> Launch:
    """How the worker of a container is started, and what its end means."""

    def ended(code: int) -> str:
        if code == OUT_OF_MEMORY:
            limit = f"limit {container.memory}" if container.memory else "no limit set"
            return f"out of memory, or killed ({limit})"
        return f"{died(code)} (image {container.image})"

    def clean() -> None:
        """Remove the container: it outlives a client that was killed."""
        command = engine.remove(container.name)
        if command is not None:
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run(command, capture_output=True, timeout=60, check=False)

    return Launch(engine.run(container), os.environ, ended, clean)


def variables(
    image: Image, gpus: Sequence[str], sharing: int, environment: Mapping[str, str]
) -> dict[str, str]:
    """The variables in a container: those that move results, those of its image, and no network for the hub."""
    return {
        **moving(environment),
        **threads(environment, sharing),
        "HOME": "/tmp",
        "HF_HOME": "/tmp/huggingface",
        "HF_HUB_OFFLINE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "CUDA_VISIBLE_DEVICES": ",".join(str(i) for i in range(len(gpus))),
        **({"HARNESS_IMAGE_DIGEST": image.digest} if image.digest else {}),
        **({"HARNESS_IMAGE_CONFIG": image.config} if image.config else {}),
    }


def mounts(paths: Sequence[Path]) -> list[Path]:
    """The paths to mount for these sources: each source, and the folders that links in it lead to.

    Raises:
        UsageError: a path that an engine's command line cannot name.
    """
    wanted: dict[Path, None] = {}
    for path in paths:
        wanted[path.absolute()] = None
        inner = [path, *(path.rglob("*") if path.is_dir() else ())]
        for link in inner:
            if link.is_symlink():
                wanted[link.resolve().parent] = None
    kept = [p for p in wanted if not any(p.is_relative_to(o) for o in wanted if o != p)]
    for path in kept:
        if "," in str(path) or ":" in str(path):
            raise UsageError(f"{path}: a path with ',' or ':' cannot be mounted into a container")
    return kept


def remove_leftovers(engine: Engine) -> None:
    """Remove the containers of drivers of this machine that have ended."""
    command = engine.leftovers()
    if command is None:
        return
    for line in said(command, f"{engine.name} cannot list its containers").splitlines():
        found = leftover(line)
        remove = engine.remove(found[0]) if found else None
        if found and remove is not None and is_gone(found[1]):
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run(remove, capture_output=True, timeout=60, check=False)
