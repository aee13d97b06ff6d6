"""Execute a call in this process: log, memory, failures, and what the stage returned as a checked outcome."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.engine import code_digest
from harness.engine.call import Call
from harness.engine.outcome import CallOutcome, Cause
from harness.engine.returned import storable
from harness.engine.task_log import Log, captured
from harness.errors import HarnessError, ResourceError, StageError, StoreError, described, text_of
from harness.formats.escapes import visible
from harness.stage import Stage
from harness.store.entries import ONLY
from harness.store.environment import environment_of_work, installed

# OpenMP threads that spin while they wait work 20 times slower as soon as another process needs a core. Threads that
# sleep at once make a training of small operations take half as long again. So they spin for less than a millisecond
# (GNU's OpenMP, which torch brings, counts iterations) and then sleep. The variables are read when the library is
# loaded, which happens when the first stage imports torch; a policy set by the user is not changed.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

LONG_S = 5.0
"""The memory that a task leaves behind is released if the task took longer than this. A trainer, its network and its
optimiser refer to one another in cycles, and Python searches for cycles less often the more modules are imported (five
trainings of a ResNet-18 held 0.9 GB). Releasing takes up to half a second."""

NO_SPACE = "no space left on the device; free some, or set HARNESS_STORE to a larger place"


class Report(Protocol):
    """Gets what a stage reports while it runs."""

    def progress(self, done: int, total: int, what: str) -> None:
        """``done`` of ``total`` (0 if unknown) ``what`` are finished."""

    def log(self, line: str) -> None:
        """A line that the stage logged."""


def execute(call: Call, report: Report, is_stopped: Callable[[], bool] = lambda: False) -> CallOutcome:
    """Run the stage of a call.

    Args:
        call: the call; its work folder is ready.
        report: gets the progress and the lines that the stage logs.
        is_stopped: whether a signal has asked the process to stop. A library may raise any exception in response to
            a signal (Lightning ends the process); that is then not a failure of the task.

    Returns:
        The outcome. A failure has its message, one line, in ``error``; the log is in ``work/log.txt``.

    Raises:
        StoreError: the log cannot be written.
    """
    with Log(call.work / "log.txt") as log, captured(log):
        began = time.monotonic()
        try:
            _check_code(call.stage)
            returned = _called(call, report, log)
            outputs, result = storable(call.stage, returned, call.work)
            _check_code(call.stage)
            return CallOutcome(
                call.key,
                outputs,
                result,
                round(time.monotonic() - began, 6),
                environment_of_work(),
                installed(),
            )
        except KeyboardInterrupt:
            raise
        except BaseException as e:  # whatever a library raises, the task fails and the run continues
            if not isinstance(e, HarnessError) and is_stopped():
                raise KeyboardInterrupt from None
            message, cause = _explained(e, call, log)
            wall_s = round(time.monotonic() - began, 6)
            return CallOutcome(
                call.key, wall_s=wall_s, environment=environment_of_work(), error=message, cause=cause
            )
        finally:
            if time.monotonic() - began > LONG_S:
                release()


def _called(call: Call, report: Report, log: Log) -> Any:
    job = WorkJob(call, report, log)
    extra = {"job": job} if call.stage.takes_job else {}
    return call.stage.function(**call.artifacts, **call.parameters, **extra)


def _explained(e: BaseException, call: Call, log: Log) -> tuple[str, Cause]:
    text = text_of(e)
    if isinstance(e, HarnessError) and text:
        log.write(f"{text}\n")
        if isinstance(e, StoreError):
            return visible(text, lines=True), "storage"
        cause: Cause = "resources" if isinstance(e, ResourceError) else "stage"
        return visible(text, lines=True), "system" if isinstance(e.__cause__, OSError) else cause
    log.write(traceback.format_exc())
    if os.strerror(errno.ENOSPC) in text:  # libraries raise it under their own exception names
        return str(StoreError(call.work, NO_SPACE)), "storage"
    if _is_out_of_memory(e):
        return _out_of_memory(call), "resources"
    return visible(described(e), lines=True), "system" if isinstance(e, OSError) else "stage"


def _check_code(stage: Stage) -> None:
    """Check that the code that runs is the code that the key identifies.

    Raises:
        StageError: the code was edited since it was digested.
    """
    if file := code_digest.edited(stage.function):
        raise StageError(f"{file}: edited since the run was planned, so that nothing is stored; run again")


@dataclass
class WorkJob:
    """The ``stage.Job`` of a call."""

    call: Call
    report: Report
    sink: Log

    @property
    def device(self) -> str:
        return self.call.device

    @property
    def scratch(self) -> Path:
        return self.call.work / "scratch"

    def folder(self, output: str = "") -> Path:
        folder = self.call.work / "entry" / (output or ONLY)
        folder.mkdir()
        return folder

    def progress(self, done: int, total: int, what: str) -> None:
        self.report.progress(done, total, what)

    def log(self, line: str) -> None:
        self.sink.write(line + "\n")
        self.report.log(line)


def _is_out_of_memory(e: BaseException) -> bool:
    if "torch" not in sys.modules:  # torch is not loaded, so the error cannot be torch's
        return isinstance(e, MemoryError)
    from harness.compute.device import is_out_of_memory

    return isinstance(e, MemoryError) or (
        isinstance(e, Exception) and bool(text_of(e)) and is_out_of_memory(e)  # it reads the text, too
    )


def _out_of_memory(call: Call) -> str:
    size = call.parameters.get("batch_size")
    if not isinstance(size, int) or size == 1:
        return "out of memory"
    return f"out of memory with batch_size: {size}; set a smaller one"


def release() -> None:
    """Collect reference cycles, such as those of trainers and networks, and return freed memory to the system.

    glibc keeps free memory between blocks that are still in use: after a few trainings, more than the trainings needed.
    Other C libraries have no ``malloc_trim``, and keep less.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
