"""What runs on a node of a cluster: it holds a worker, or one for each image, and passes on what the worker tells.

Nothing here knows the cluster's software. Calls come by their folder, on a file system that driver and nodes share, and
what the worker makes stays there: only events go back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from harness.engine import images
from harness.engine.call import CALL
from harness.engine.executors import Ended, Logged, Lost, Message, Progressed, Withdrawn
from harness.engine.executors.container import Boxes, remove_leftovers
from harness.engine.executors.engines import Engine, find
from harness.engine.executors.local import launch
from harness.engine.executors.workers import Death, WorkerSlot
from harness.engine.images import Image
from harness.engine.outcome import CallOutcome
from harness.errors import HarnessError, UsageError, described


@dataclass(frozen=True)
class Written:
    """The call has ended, and ``outcome.json`` is in its folder."""


Told = Progressed | Logged | Written | Ended | Lost
"""What goes back to the driver. The last is ``Written``, ``Lost``, or ``Ended`` with a failure that has no outcome."""


@dataclass(frozen=True)
class Held:
    """How workers are started on a node."""

    variables: Mapping[str, str]
    """Those of the driver that the workers need, threads included."""
    gpus: int = 0
    """How many accelerators are reserved."""
    boxes: Boxes | None = None
    """What containers see; None for workers outside of containers."""
    engine: str | None = None
    """The container engine; None for the first that answers."""
    engine_images: Path = Path()
    """Folder for the image files of Apptainer."""


class Holder:
    """Holds workers, one call at a time.

    Args:
        held: how they are started.
    """

    def __init__(self, held: Held) -> None:
        self._held = held
        self._workers: dict[Image | None, WorkerSlot] = {}
        self._engine: Engine | None = None

    def ready(self) -> None:
        """Nothing: an answer means that there is room."""

    def work(self, folder: str, key: str, image: Image | None) -> Iterator[Told]:
        """Have the call in a folder executed, in its image if there is one."""
        queue: SimpleQueue[Message | Written] = SimpleQueue()
        thread = threading.Thread(target=self._work, args=(Path(folder), key, image, queue), daemon=True)
        thread.start()
        while True:
            message = queue.get()
            assert not isinstance(message, Withdrawn)
            yield message
            if not isinstance(message, Progressed | Logged):
                return

    def _work(
        self, folder: Path, key: str, image: Image | None, queue: SimpleQueue[Message | Written]
    ) -> None:
        host = os.uname().nodename
        try:
            if not (folder / CALL).exists():
                raise UsageError(
                    f"{folder} is not there; the store must be on a file system that all nodes share "
                    "(--store or HARNESS_STORE)"
                )
            queue.put(told(self._worker(image).work(folder, queue.put), key, host))
        except HarnessError as e:
            queue.put(Ended(CallOutcome(key, error=f"{host}: {e}", cause="system")))
        except Exception as e:  # a fault here must not leave the driver waiting
            queue.put(Ended(CallOutcome(key, error=f"{host}: {described(e)}", cause="system")))

    def _worker(self, image: Image | None) -> WorkerSlot:
        if image not in self._workers:
            self._workers[image] = self._started(image)
        return self._workers[image]

    def _started(self, image: Image | None) -> WorkerSlot:
        held = self._held
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "") if held.gpus else ""
        gpus = [name for name in visible.split(",") if name]
        if image is None:
            return WorkerSlot(frozenset(), launch({**os.environ, **held.variables}, gpus, 1))
        assert held.boxes is not None
        if self._engine is None:
            self._engine = find(held.engine, held.engine_images)
            remove_leftovers(self._engine)
        images.check_there(image, self._engine)
        return held.boxes.starter(self._engine, gpus, 1, held.variables)(image)

    def stop(self) -> None:
        """End the workers; a call that is in progress is interrupted."""
        for worker in self._workers.values():
            worker.ask_to_stop()
        for worker in self._workers.values():
            worker.stop()


def told(ended: CallOutcome | Death, key: str, host: str) -> Written | Ended | Lost:
    """What the end of a call is for the driver: a worker that a signal has ended is lost, with no fault of the work."""
    if isinstance(ended, CallOutcome):
        return Written()
    if ended.is_by_signal:
        return Lost(f"{ended.told} ({host})")
    return Ended(CallOutcome(key, error=f"{ended.told} ({host})", cause="stage"))
