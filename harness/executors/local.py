"""Run a stage in this process."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from harness.environment import device_class, environment
from harness.errors import HarnessError, ResourceError, StageError, StoreError
from harness.executors import Call, Progress
from harness.store import ONLY

# Threads of OpenMP that wait for one another by spinning do 20 times less work as soon as another process wants
# a core. Read when the library is loaded, which is when the first stage imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

NO_SPACE = "no space left on the device; free some, or set HARNESS_STORE to a larger place"


class LocalExecutor:
    """In process: imports are paid once, a debugger works, and nothing has to be serialised."""

    @cached_property
    def device(self) -> str:
        return device_class(environment())

    def execute(self, call: Call, progress: Progress) -> Any:
        with (call.work / "log.txt").open("a", encoding="utf-8", buffering=1) as log, _captured(log):
            job = LocalJob(call.work, self.device, progress, log)
            extra = {"job": job} if call.stage.takes_job else {}
            try:
                return call.stage.function(**call.inputs, **call.parameters, **extra)
            except HarnessError as e:
                log.write(f"{e}\n")
                raise
            except Exception as e:  # whatever a library raises: the task fails, the run goes on
                _write_if_it_fits(log, traceback.format_exc())
                if os.strerror(errno.ENOSPC) in str(e):  # libraries raise it under names of their own
                    raise StoreError(call.work, NO_SPACE) from e
                if _is_out_of_memory(e):
                    raise ResourceError(_out_of_memory(call)) from None
                raise StageError(_one_line(e)) from e


@dataclass
class LocalJob:
    """See ``stage.Job``."""

    work: Path
    device_class: str
    report: Progress
    sink: TextIO

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


def _write_if_it_fits(log: TextIO, text: str) -> None:
    """The log is on the disk that may be full."""
    with contextlib.suppress(OSError):
        log.write(text)


def _is_out_of_memory(e: Exception) -> bool:
    if "torch" not in sys.modules:  # then it cannot be torch's
        return isinstance(e, MemoryError)
    from harness.compute.arithmetic import is_out_of_memory

    return is_out_of_memory(e)


def _out_of_memory(call: Call) -> str:
    size = call.parameters.get("batch_size")
    if not isinstance(size, int) or size == 1:
        return "out of memory"
    return f"out of memory with batch_size: {size}; set a smaller one"


def _one_line(e: Exception) -> str:
    """Type and first line of a library's exception; its traceback is in the log."""
    text = str(e).strip()
    return f"{type(e).__name__}: {text.splitlines()[0]}" if text else type(e).__name__


@contextlib.contextmanager
def _captured(log: TextIO) -> Iterator[None]:
    """What a stage and its libraries print, log and warn goes to the task's log, not between our lines."""

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
