"""``ray``: workers on the nodes of a Ray cluster, each held by an actor that reserves what the worker uses.

Ray starts the actors, watches over them and starts a lost one anew; what an actor gets and returns is small. Artifacts
go through the store, which all nodes must see at the same path. A call whose worker, actor or node is lost is begun
again by the runner and not by Ray: a worker that was taken for dead may still write, so that a call that is begun again
needs a work folder of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from harness.artifact import Json
from harness.engine import extras
from harness.engine import outcome as outcomes
from harness.engine.call import Call
from harness.engine.executors import Ended, Lost, Message, Options, Post, Slot, Withdrawn, cluster
from harness.engine.executors.cluster import Place
from harness.engine.executors.container import Boxes, imaged
from harness.engine.executors.engines import find
from harness.engine.executors.holder import Held, Holder, Written
from harness.engine.executors.local import moving, thread_count, threads
from harness.engine.executors.workers import STOP_S
from harness.engine.images import Image
from harness.engine.outcome import CallOutcome
from harness.engine.plan import Plan
from harness.errors import HarnessError, UsageError, described
from harness.formats.escapes import visible
from harness.store.artifacts import Store
from harness.suite import Suite

RESTARTS = 3
"""How often Ray starts an actor anew whose process was lost."""
ROOM_S = 60.0
"""Seconds that a slot waits for room on its node; then it is withdrawn."""
VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what Ray tells of lost workers is not for standard output
}
"""Variables that Ray reads when it is imported, unless they are set."""
CONNECT_S = 10.0
"""Seconds in which the head of a cluster must take a connection."""
OBJECTS = 80 * 2**20
"""Bytes for the objects of a cluster that is started here: the least that Ray takes, since none are stored."""


def executor(options: Options) -> RayExecutor:
    """The executor for a command line.

    Raises:
        UsageError: Ray is not installed, or the workers cannot be where they are asked to be.
    """
    if find_spec("ray") is None:
        raise UsageError(f"--executor ray needs the package ray{extras.hint(['ray'])}")
    if options.inside not in (None, "container"):
        raise UsageError(
            f"--inside {options.inside}: expected container, or nothing for workers outside of any"
        )
    return RayExecutor(options)


class RayExecutor:
    """Starts workers on a Ray cluster.

    Args:
        options: what the command line and the project say.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self.images: dict[str, Image] = {}
        """Node → its image; empty for workers outside of containers."""
        self._slots: list[RaySlot] = []
        self.ray: Any = None
        """Ray's module, connected; None before that."""
        self._memory_gb = 0.0

    def code(self, suite: Suite, store: Store) -> Mapping[str, Mapping[str, Json]] | None:
        if self._options.inside is None:
            return None
        engine = find(self._options.engine, store.root / "images")
        self.images, code = imaged(suite, store, engine)
        return code

    def open(self, plan: Plan, store: Store) -> Sequence[Slot]:
        if self.ray is None:
            self.ray = connected(self._options.address)
            found = cluster.nodes(self.ray.nodes(), use_gpus=os.environ.get("HARNESS_DEVICE") != "cpu")
            self._memory_gb = sum(node.memory for node in found) / 1e9
            declared = [task.stage.resources.memory_gb or 0.0 for task in plan.tasks.values()]
            boxes = Boxes.of(plan.suite, store, self._options.memory) if self._options.inside else None
            self._slots = [
                RaySlot(self, place, held(place, self._options, boxes, store))
                for place in cluster.places(found, self._options.jobs, max(declared, default=0.0) * 1e9)
            ]
        return [slot for slot in self._slots if not slot.is_withdrawn]

    def memory_gb(self) -> float:
        return self._memory_gb

    def make_room(self, slot: RaySlot) -> None:
        """End the actors of other slots with the same accelerators; the runner lets only one of them work."""
        for other in self._slots:
            if other is not slot and other.devices & slot.devices:
                other.close()

    def close(self) -> None:
        if self.ray is None:
            return
        stopping = [slot.stopping() for slot in self._slots]
        waited = [one for one in stopping if one is not None]
        if waited:
            with suppress(self.ray.exceptions.RayError):  # a cluster that is gone has stopped them
                self.ray.wait(waited, num_returns=len(waited), timeout=STOP_S)
        for slot in self._slots:
            slot.close()
        for slot in self._slots:
            slot.join()
        self.ray.shutdown()
        self.ray, self._slots = None, []


class RaySlot:
    """A slot whose worker is held by an actor on one node.

    Args:
        of: the executor.
        place: what the actor reserves.
        held: how its workers are started.
    """

    def __init__(self, of: RayExecutor, place: Place, held: Held) -> None:
        self.devices = place.devices
        self.threads = thread_count(held.variables)
        self.is_withdrawn = False
        self._of = of
        self._place = place
        self._held = held
        self._actor: Any = None
        self._thread: threading.Thread | None = None

    def start(self, call: Call, post: Post) -> None:
        self._of.make_room(self)
        self._thread = threading.Thread(target=self._serve, args=(call, post), daemon=True)
        self._thread.start()

    def _serve(self, call: Call, post: Post) -> None:
        try:
            last = self._served(call, post)
        except HarnessError as e:
            last = Ended(CallOutcome(call.key, error=str(e), cause="system"))
        except Exception as e:  # a fault here must not leave the driver waiting
            last = Ended(CallOutcome(call.key, error=visible(described(e)), cause="system"))
        post(last)

    def _served(self, call: Call, post: Post) -> Message:
        """What a call ends in; other messages are posted."""
        ray = self._of.ray
        was_there = self._actor is not None
        why = self._problem()
        if why and was_there:  # it was lost between two calls
            why = self._problem()
        if why is not None:
            self.is_withdrawn = True
            return Withdrawn(f"no room for {self._place}: {why}")
        actor = self._actor
        try:
            for told in actor.work.remote(str(call.work), call.key, self._of.images.get(call.node)):
                message = ray.get(told)
                if isinstance(message, Written):
                    return Ended(outcomes.read(call.work))
                if isinstance(message, Ended | Lost):
                    return message
                post(message)
            why = "it ended without a word"
        except ray.exceptions.RayError as e:
            why = reason(e)
        self.close()  # if it lives on, it must not go on with this call
        with suppress(UsageError):
            return Ended(outcomes.read(call.work))
        return Lost(f"the actor on {self._place.node.host} was lost: {why}")

    def _problem(self) -> str | None:
        """Why the actor does not answer, and is ended; None if it does. It is started if there is none."""
        ray = self._of.ray
        try:
            ray.get(self._there().ready.remote(), timeout=ROOM_S)
        except ray.exceptions.GetTimeoutError:
            self.close()
            return f"not in {ROOM_S:g} s"
        except ray.exceptions.RayError as e:
            self.close()
            return reason(e)
        return None

    def _there(self) -> Any:
        """The actor, started if there is none."""
        if self._actor is None:
            ray, place = self._of.ray, self._place
            affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
            self._actor = (
                ray.remote(Holder)
                .options(
                    num_cpus=place.cpus,
                    num_gpus=len(place.gpus),
                    memory=int(place.memory) or None,
                    max_restarts=RESTARTS,
                    max_task_retries=0,  # the runner begins a call again
                    max_concurrency=2,  # it can be stopped while it works
                    scheduling_strategy=affinity(place.node.id, soft=False),
                )
                .remote(self._held)
            )
        return self._actor

    def stopping(self) -> Any:
        """Ask the actor to end its workers; the reference of its answer, or None if there is no actor."""
        return None if self._actor is None else self._actor.stop.remote()

    def close(self) -> None:
        """End the actor, for good."""
        if self._actor is not None:
            with suppress(Exception):  # it is gone, or the cluster is
                self._of.ray.kill(self._actor)
        self._actor = None

    def join(self) -> None:
        """Wait for the thread of a call that was interrupted."""
        if self._thread is not None:
            self._thread.join(STOP_S)


def held(place: Place, options: Options, boxes: Boxes | None, store: Store) -> Held:
    """How the workers of a place are started: with the variables of this process that move results."""
    variables = {**moving(os.environ), **threads(os.environ, 1, place.threads)}
    return Held(variables, len(place.gpus), boxes, options.engine, store.root.absolute() / "images")


def connected(address: str | None) -> Any:
    """Ray's module, connected to a cluster: that of the address, of ``RAY_ADDRESS``, or one that is started here.

    Whether tokens are asked for is Ray's own choice, and the cluster's.

    Raises:
        UsageError: the cluster does not answer, or not to us.
    """
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    import ray
    import ray.util.scheduling_strategies

    address = address or os.environ.get("RAY_ADDRESS") or "local"
    check_answers(address)
    own = {"include_dashboard": False, "object_store_memory": OBJECTS} if address == "local" else {}
    try:
        with _signals_kept():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
    except (ray.exceptions.RayError, OSError, RuntimeError, ValueError, ImportError) as e:
        raise UsageError(
            f"the Ray cluster {address!r} cannot be used: {reason(e)} (its token and its version of Ray must be ours)"
        ) from None
    return ray


def check_answers(address: str) -> None:
    """Check that something listens at an address: Ray itself would try for minutes.

    Raises:
        UsageError: nothing does, or it is no address.
    """
    if address in ("auto", "local"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise UsageError(f"the address of a Ray cluster is HOST:PORT, auto or local, not {address!r}")
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as e:
        raise UsageError(f"no Ray cluster answers at {address} ({described(e)})") from None


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray ends the process at a signal, in its own way; ours stays."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def reason(e: BaseException) -> str:
    """The line of one of Ray's errors that says why: its last, after what it knows of the actor."""
    lines = [line.strip() for line in str(e).splitlines() if line.strip()]
    return visible(lines[-1] if lines else type(e).__name__)
