"""``inline``: stages run in this process, one after another. Imports happen once, and a debugger works."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.engine.call import Call
from harness.engine.execution import execute
from harness.engine.executors import Ended, Logged, Options, Post, Progressed, Slot
from harness.engine.executors.local import thread_count
from harness.engine.plan import Plan
from harness.errors import UsageError
from harness.store.artifacts import Store
from harness.store.environment import device_class, environment, total_memory_gb
from harness.suite import Suite

EVERY = "every device"


def executor(options: Options) -> InlineExecutor:
    """The executor for a command line.

    Raises:
        UsageError: more than one job.
    """
    if options.jobs not in (None, 1):
        raise UsageError(
            f"--jobs {options.jobs}: inline runs one task at a time; --executor local runs several"
        )
    return InlineExecutor(options.is_stopped)


class InlineExecutor:
    """Runs stages in this process.

    Args:
        is_stopped: see ``Options``.
    """

    def __init__(self, is_stopped: Callable[[], bool] = lambda: False) -> None:
        self._slot = InlineSlot(is_stopped)

    def code(self, suite: Suite, store: Store) -> None:
        """Stages run in this installation."""

    def open(self, plan: Plan, store: Store) -> Sequence[Slot]:
        return [self._slot]

    def memory_gb(self) -> float:
        return total_memory_gb()

    def close(self) -> None:
        """Nothing was started."""


@dataclass(frozen=True)
class InlineSlot:
    """This process: it sees every device."""

    is_stopped: Callable[[], bool]

    @property
    def devices(self) -> frozenset[str]:
        return frozenset() if device_class(environment()) == "cpu" else frozenset({EVERY})

    @property
    def threads(self) -> int | None:
        return thread_count(os.environ)

    def start(self, call: Call, post: Post) -> None:
        post(Ended(execute(call, _Posting(post), self.is_stopped)))


@dataclass(frozen=True)
class _Posting:
    """Posts what a stage reports."""

    post: Post

    def progress(self, done: int, total: int, what: str) -> None:
        self.post(Progressed(done, total, what))

    def log(self, line: str) -> None:
        self.post(Logged(line))
