"""Executors start calls. An executor has slots; a slot works on one call at a time and tells what happens.

An executor is a module of this package, or of another package that names it in the entry-point group
``harness.executors``, with a function ``executor(options)``. Most start workers (``workers.py``) and differ only in the
command that does so.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Protocol

from harness.artifact import Json
from harness.engine.call import Call
from harness.engine.outcome import CallOutcome
from harness.engine.plan import Plan
from harness.errors import UsageError, described, nearest
from harness.store.artifacts import Store
from harness.suite import Suite

GROUP = "harness.executors"
_NO_EXECUTORS = {"workers", "engines", "cluster", "holder"}


@dataclass(frozen=True)
class Progressed:
    """A stage is so far: ``done`` of ``total`` (0 if unknown) ``what``."""

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class Logged:
    """A stage has logged a line."""

    line: str


@dataclass(frozen=True)
class Ended:
    """A call has ended."""

    outcome: CallOutcome


@dataclass(frozen=True)
class Lost:
    """A call has no worker any more, through no fault of the work: it is done again, a few times at most."""

    why: str
    """One line."""


@dataclass(frozen=True)
class Withdrawn:
    """A slot takes no calls any more; what it was given has not begun, and goes to another one."""

    why: str


Message = Progressed | Logged | Ended | Lost | Withdrawn
Post = Callable[[Message], None]


class Slot(Protocol):
    """A place where one call at a time is executed."""

    @property
    def devices(self) -> frozenset[str]:
        """The accelerators that it uses. Slots that have one in common never work at the same time."""

    @property
    def threads(self) -> int | None:
        """Threads of the libraries in its worker; None for as many as they take by themselves."""

    def start(self, call: Call, post: Post) -> None:
        """Begin a call whose file is in its work folder.

        Messages are posted from any thread, or during this method; the last is ``Ended``, ``Lost`` or ``Withdrawn``.
        """


class Executor(Protocol):
    """Starts calls in its slots."""

    def code(self, suite: Suite, store: Store) -> Mapping[str, Mapping[str, Json]] | None:
        """Node → its stage's part of the keys where its tasks will run; None if that is this installation.

        Raises:
            UsageError: a stage cannot run there.
        """

    def open(self, plan: Plan, store: Store) -> Sequence[Slot]:
        """The slots, the same until ``close`` but for withdrawn ones. What they need is started when they need it.

        Raises:
            UsageError: there is no place for one.
        """

    def memory_gb(self) -> float:
        """The main memory that the slots share, in GB."""

    def close(self) -> None:
        """End everything that was started; calls that are in progress are interrupted, and can be resumed."""


@dataclass(frozen=True)
class Options:
    """What a command line says about where tasks run."""

    jobs: int | None = None
    """Number of tasks at the same time on processors; None for the executor's own choice."""
    engine: str | None = None
    """The container engine; None for the first that answers."""
    memory: str | None = None
    """Limit of main memory for a container, such as ``16g``."""
    address: str | None = None
    """Of a cluster; None for the executor's own choice."""
    inside: str | None = None
    """``container`` if the workers of a cluster run in the images that the suite names."""
    is_stopped: Callable[[], bool] = lambda: False
    """Whether a signal has asked this process to stop."""


def choose(name: str, options: Options) -> Executor:
    """The executor of this name.

    Raises:
        UsageError: there is none, or it cannot be used here.
    """
    ours = {m.name for m in pkgutil.iter_modules(__path__)} - _NO_EXECUTORS
    others = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    if name in ours:
        made = import_module(f"{__name__}.{name}").executor
    elif name in others:
        try:
            made = others[name].load().executor
        except Exception as e:  # the module is another package's code and may raise anything
            raise UsageError(
                f"--executor {name}: {others[name].value} cannot be used ({described(e)})"
            ) from e
    else:
        known = sorted(ours | others.keys())
        raise UsageError(f"--executor {name}: none of {', '.join(known)}{nearest(name, known)}")
    executor: Executor = made(options)
    return executor
