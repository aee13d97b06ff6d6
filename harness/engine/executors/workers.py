"""Slots that are worker processes (``harness.engine.worker``); what starts the process is a command."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.engine import outcome as outcomes
from harness.engine.call import CALL, Call
from harness.engine.executors import Ended, Logged, Post, Progressed, Slot
from harness.engine.outcome import CallOutcome
from harness.engine.plan import Plan
from harness.errors import HarnessError, StageError, UsageError
from harness.formats import strict_json
from harness.formats.escapes import visible
from harness.store.artifacts import Store
from harness.store.environment import total_memory_gb
from harness.suite import Suite

SILENT_S = 120.0
"""A worker that says nothing for this many seconds, not even that it is alive, is ended, and its task fails."""
STOP_S = 10.0
"""Seconds that a worker has to end after it was asked to; then it is killed."""


@dataclass(frozen=True)
class Launch:
    """How a worker is started."""

    command: Sequence[str]
    environment: Mapping[str, str]
    """All variables of the process."""
    died: Callable[[int], str]
    """Explains the exit code of a worker that ended in the middle of a call; negative for a signal."""
    clean: Callable[[], None] = lambda: None
    """Removes what outlives the process; called after its end."""
    threads: int | None = None
    """See ``Slot``."""


@dataclass(frozen=True)
class Death:
    """The end of a worker in the middle of a call that left no outcome."""

    told: str
    """One line."""
    code: int
    """Its exit code; negative for a signal."""

    @property
    def is_kill(self) -> bool:
        """Whether it was killed, as for a lack of memory."""
        return self.code in (-signal.SIGKILL, 128 + signal.SIGKILL)

    @property
    def is_by_signal(self) -> bool:
        """Whether a signal has ended it, or the command that it was behind."""
        return self.code < 0 or self.code - 128 in set(signal.Signals)


class WorkerExecutor:
    """Slots that are worker processes.

    Args:
        slots: the slots.
    """

    def __init__(self, slots: Sequence[WorkerSlot]) -> None:
        self._slots = slots

    def code(self, suite: Suite, store: Store) -> None:
        """The workers run this installation."""

    def open(self, plan: Plan, store: Store) -> Sequence[Slot]:
        return self._slots

    def memory_gb(self) -> float:
        return total_memory_gb()

    def close(self) -> None:
        for slot in self._slots:
            slot.ask_to_stop()
        for slot in self._slots:
            slot.stop()


class WorkerSlot:
    """One worker, started when it is first needed, and replaced if it dies.

    Args:
        devices: see ``Slot``.
        launch: how the worker is started.
        silent_s: see ``SILENT_S``.
    """

    def __init__(self, devices: frozenset[str], launch: Launch, silent_s: float = SILENT_S) -> None:
        self.devices = devices
        self._launch = launch
        self._silent_s = silent_s
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._left = b""

    @property
    def threads(self) -> int | None:
        return self._launch.threads

    def start(self, call: Call, post: Post) -> None:
        threading.Thread(target=self._serve, args=(call, post), daemon=True).start()

    def _serve(self, call: Call, post: Post) -> None:
        try:
            told = self.work(call.work, post)
            outcome = told if isinstance(told, CallOutcome) else _failed(call.key, told)
        except HarnessError as e:
            outcome = CallOutcome(call.key, error=str(e), cause="system")
        except Exception as e:  # a fault here must not leave the driver waiting
            outcome = CallOutcome(call.key, error=f"{type(e).__name__}: {e}", cause="system")
        post(Ended(outcome))

    def work(self, folder: Path, post: Post) -> CallOutcome | Death:
        """Have the call in a work folder executed, on this thread; what happens meanwhile is posted.

        Raises:
            HarnessError: the worker cannot be started or is silent, or its outcome is damaged.
        """
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(str(folder / CALL)).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            raise StageError(self._end_of(process)) from None
        while True:
            event = self._event(process)
            if event is None:
                return self._after_death(process, folder)
            match event.get("event"):
                case "progress":
                    post(Progressed(int(event["done"]), int(event["total"]), str(event["what"])))
                case "log":
                    post(Logged(str(event["line"])))
                case "finished" | "failed":
                    return outcomes.read(folder)

    def _after_death(self, process: subprocess.Popen[bytes], folder: Path) -> CallOutcome | Death:
        """The outcome of a call whose worker has died, if it was written before."""
        told = self._end_of(process)
        with suppress(UsageError):
            return outcomes.read(folder)
        return Death(told, process.returncode)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._close()
        if self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115
            self._left = b""
            try:
                self._process = subprocess.Popen(
                    self._launch.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                    env=dict(self._launch.environment),
                    start_new_session=True,  # Ctrl-C reaches this process, which then ends its workers
                )
            except OSError as e:
                raise StageError(f"{self._launch.command[0]}: cannot be started ({e.strerror})") from None
        return self._process

    def _event(self, process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
        """The next event, or None if the worker has ended. Lines that are no events are passed over."""
        assert process.stdout is not None
        handle = process.stdout.fileno()
        heard = time.monotonic()
        while True:
            line, separator, rest = self._left.partition(b"\n")
            if separator:
                self._left = rest
                with suppress(UsageError):
                    event = strict_json.loads(line, "a worker")
                    if isinstance(event, dict):
                        return event
                continue
            if not select.select([handle], [], [], 1.0)[0]:
                if time.monotonic() - heard > self._silent_s:
                    process.kill()
                    process.wait()
                    self._launch.clean()
                    raise StageError(f"the worker said nothing for {self._silent_s:g} s and was ended")
                continue
            content = os.read(handle, 65536)
            if not content:
                return None
            heard = time.monotonic()
            self._left += content

    def _end_of(self, process: subprocess.Popen[bytes]) -> str:
        """Why a worker ended, with the last line that it wrote to standard error."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        if process.poll() is None:
            process.kill()
            process.wait()
        self._launch.clean()
        told = self._launch.died(process.returncode)
        assert self._errors is not None
        self._errors.seek(0)
        lines = self._errors.read()[-4096:].decode("utf-8", "backslashreplace").strip().splitlines()
        return visible(f"{told}: {lines[-1]}" if lines else told)

    def _close(self) -> None:
        """Close the pipes of a worker that has ended."""
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout, self._errors):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
        self._process = self._errors = None

    def ask_to_stop(self) -> None:
        """Ask the worker to end: an idle one by the end of its input, a busy one by a signal."""
        if self._process is not None and self._process.poll() is None:
            assert self._process.stdin is not None
            with suppress(OSError):
                self._process.stdin.close()

    def stop(self) -> None:
        """Wait for the end of the worker; kill it if it does not end."""
        if self._process is None:
            return
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._launch.clean()
        self._close()


def _failed(key: str, death: Death) -> CallOutcome:
    return CallOutcome(key, error=death.told, cause="resources" if death.is_kill else "stage")


def died(code: int) -> str:
    """Explain the exit code of a worker process of this machine."""
    if code >= 0:
        return f"the worker ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    likely = " (often a lack of memory)" if -code == signal.SIGKILL else ""
    return f"the worker was ended by {name}{likely}"
