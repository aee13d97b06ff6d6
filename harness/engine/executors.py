"""Executors run tasks. An executor gets a call with everything resolved, and returns what the stage returned.

The protocol is one method, so an executor for a container or a cluster is one small class. ``LocalExecutor`` runs the
stage in this process, which also allows debugging, with its log, memory use and failures.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import errno
import gc
import io
import logging
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TextIO

from harness.artifact import Artifact, Json
from harness.errors import HarnessError, ResourceError, StageError, StoreError, described, text_of
from harness.formats.escapes import visible
from harness.stage import Stage
from harness.store.entries import ONLY
from harness.store.environment import device_class, environment, environment_of_work, installed

Inputs = Mapping[str, Artifact | tuple[Artifact, ...]]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Call:
    """One execution of one stage."""

    stage: Stage
    inputs: Inputs
    parameters: Mapping[str, Any]
    work: Path
    """Work folder. It has ``scratch`` (kept from a killed attempt) and ``entry`` (empty; outputs go below it)."""


@dataclass(frozen=True)
class Executed:
    """The result of a call."""

    returned: Any
    """What the stage function returned."""
    environment: Mapping[str, Json]
    """The environment of the computation, as reported by the process that computed it."""
    distributions: Mapping[str, Json]
    """What is installed there: distribution → version."""


class Executor(Protocol):
    """Runs one call at a time."""

    @property
    def device(self) -> str:
        """The device class of the executions: ``"cpu"`` or the accelerator's name."""

    def execute(self, call: Call, progress: Progress) -> Executed:
        """Run the stage function.

        Raises:
            StageError: the task failed. The message is one line; the log is in ``work/log.txt``.
        """


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


class LocalExecutor:
    """Runs stages in this process: imports happen once, a debugger works, and nothing is serialised.

    Args:
        is_stopped: whether a signal has asked the process to stop. A library may raise any exception in response to
            a signal (Lightning ends the process); that is then not a failure of the task.
    """

    def __init__(self, is_stopped: Callable[[], bool] = lambda: False) -> None:
        self._is_stopped = is_stopped

    @cached_property
    def device(self) -> str:
        return device_class(environment())

    def execute(self, call: Call, progress: Progress) -> Executed:
        with Log(call.work / "log.txt") as log, _captured(log):
            job = LocalJob(call.work, self.device, progress, log)
            extra = {"job": job} if call.stage.takes_job else {}
            began = time.monotonic()
            try:
                returned = call.stage.function(**call.inputs, **call.parameters, **extra)
                return Executed(returned, environment_of_work(), installed())
            except KeyboardInterrupt:
                raise
            except BaseException as e:  # whatever a library raises, the task fails and the run continues
                text = text_of(e)
                if isinstance(e, HarnessError) and text:
                    log.write(f"{text}\n")
                    raise
                if self._is_stopped():
                    raise KeyboardInterrupt from None
                log.write(traceback.format_exc())
                if os.strerror(errno.ENOSPC) in text:  # libraries raise it under their own exception names
                    raise StoreError(call.work, NO_SPACE) from e
                if _is_out_of_memory(e):
                    raise ResourceError(_out_of_memory(call)) from None
                raise StageError(described(e)) from e
            finally:
                if time.monotonic() - began > LONG_S:
                    release()


@dataclass
class LocalJob:
    """See ``stage.Job``."""

    work: Path
    device_class: str
    report: Progress
    sink: Log

    @property
    def device(self) -> str:
        return "cpu" if self.device_class == "cpu" else "cuda"

    @property
    def scratch(self) -> Path:
        return self.work / "scratch"

    def folder(self, output: str = "") -> Path:
        folder = self.work / "entry" / (output or ONLY)
        folder.mkdir()
        return folder

    def progress(self, done: int, total: int, what: str) -> None:
        self.report(done, total, what)

    def log(self, line: str) -> None:
        self.sink.write(line + "\n")


class Log(io.TextIOBase):
    r"""A text file opened for appending, used in place of ``sys.stdout`` and ``sys.stderr``.

    It has what libraries use of those: ``buffer``, ``encoding``, ``errors``, ``fileno`` (of the file), ``reconfigure``.
    A progress bar that is redrawn with ``\r`` becomes lines; other control characters are shown as escapes. The log is
    optional: if the disk is full, nothing is written and nothing is raised.

    Raises (on creation):
        StoreError: the log's folder is gone or cannot be written.
    """

    name = "log.txt"
    mode = "w"
    line_buffering = True
    write_through = True

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as e:
            raise StoreError(path, e.strerror or str(e)) from None
        self.buffer = LogBytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    def reconfigure(self, **_: object) -> None:
        """The log's own settings stay."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        clean = visible(text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    "), lines=True)
        with contextlib.suppress(
            OSError, ValueError
        ):  # ValueError: the log is closed, but a thread still prints
            self._file.write(clean.encode("utf-8", self.errors))
        return len(text)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(OSError):
                self._file.close()
        super().close()


class LogBytes(io.BufferedIOBase):
    """The ``buffer`` of a log: bytes are text in UTF-8, and others are shown as escapes."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode

    def writable(self) -> bool:
        return True

    def write(self, content: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        taken = bytes(memoryview(content))
        self._log.write(self._decode(taken))
        return len(taken)

    def fileno(self) -> int:
        return self._log.fileno()


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


@contextlib.contextmanager
def _captured(log: Log) -> Iterator[None]:
    """Send what a stage and its libraries print, log and warn to the task's log instead of the terminal."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        log.write(warnings.formatwarning(message, category, filename, lineno, line))

    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log), warnings.catch_warnings():
            warnings.showwarning = show
            yield
    finally:
        root.removeHandler(handler)


def release() -> None:
    """Collect reference cycles, such as those of trainers and networks, and return freed memory to the system.

    glibc keeps free memory between blocks that are still in use: after a few trainings, more than the trainings needed.
    Other C libraries have no ``malloc_trim``, and keep less.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
