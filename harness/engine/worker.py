"""A worker: reads calls, executes them, and writes what happens, a JSON line for each event.

Standard input has one JSON text per line: the path of a call's file. Standard output has one JSON object per line with
``event`` and, in most, ``key``:

    {"event": "ready"}                                         the worker waits for calls
    {"event": "started", "key": …}                             the call was read and its key was computed again
    {"event": "progress", "key": …, "done": 3, "total": 9, "what": "epochs"}
    {"event": "log", "key": …, "line": "…"}                    a line that the stage logged
    {"event": "alive"}                                         every few seconds, so that silence means something
    {"event": "finished", "key": …}                            ``outcome.json`` in the call's folder has the rest
    {"event": "failed", "key": …, "error": "…"}                the same; the error is one line

Whatever libraries print goes to the task's log or to standard error, never between these lines. A worker fills the work
folder of its call and touches nothing else of the store. It ends when its input ends, also in the middle of a call.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import TextIO

from harness.engine import call as calls
from harness.engine import outcome as outcomes
from harness.engine.call import CALL
from harness.engine.execution import execute
from harness.engine.outcome import CallOutcome
from harness.errors import HarnessError, described
from harness.formats import strict_json
from harness.formats.escapes import visible

ALIVE_S = 5.0
"""Seconds between two signs of life."""
PROGRESS_S = 0.1
"""Least seconds between two lines of progress."""


def serve(is_stopped: Callable[[], bool]) -> None:
    """Work until standard input ends.

    Args:
        is_stopped: whether a signal has asked the process to stop.
    """
    tell = Telling(_private_output())
    threading.Thread(target=tell.keep_alive, daemon=True).start()
    tell(event="ready")
    busy = threading.Event()
    for file in _requests(busy):
        busy.set()
        outcome = work(Path(file), tell, is_stopped)
        busy.clear()  # before the end is told: who asked may close the input at once
        if outcome.error is None:
            tell(event="finished", key=outcome.key)
        else:
            tell(event="failed", key=outcome.key, error=outcome.error)


def work(file: Path, tell: Telling, is_stopped: Callable[[], bool]) -> CallOutcome:
    """Execute the call in a file and write its outcome beside it; beside any other file nothing is written."""
    if file.name != CALL:
        return CallOutcome("", error=visible(f"{file}: not a {CALL}"), cause="system")
    try:
        call = calls.read(file)
    except HarnessError as e:
        outcome = CallOutcome("", error=str(e), cause="system")
    else:
        tell(event="started", key=call.key)
        outcome = execute(call, _Reporting(call.key, tell), is_stopped)
    try:
        outcomes.write(outcome, file.parent)
    except OSError as e:
        return CallOutcome(outcome.key, error=visible(f"{file.parent}: {described(e)}"), cause="system")
    return outcome


class Telling:
    """Writes events; usable from several threads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, **event: object) -> None:
        line = json.dumps(event)
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()

    def keep_alive(self) -> None:
        """Tell that the process is alive, for ever."""
        while True:
            time.sleep(ALIVE_S)
            self(event="alive")


class _Reporting:
    """Tells what a stage reports."""

    def __init__(self, key: str, tell: Telling) -> None:
        self._key = key
        self._tell = tell
        self._told = 0.0

    def progress(self, done: int, total: int, what: str) -> None:
        if done == total or time.monotonic() - self._told > PROGRESS_S:
            self._told = time.monotonic()
            self._tell(event="progress", key=self._key, done=done, total=total, what=what)

    def log(self, line: str) -> None:
        self._tell(event="log", key=self._key, line=visible(line))


def _private_output() -> TextIO:
    """Standard output for events alone; from here on, what anything else prints there goes to standard error."""
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "w", encoding="utf-8")


def _requests(busy: threading.Event) -> Iterator[str]:
    """The lines of standard input, read by a thread of its own. If the input ends during a call, the process ends."""
    lines: SimpleQueue[str | None] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put(None)
        if busy.is_set():  # who asked is gone; a signal lets the stage keep its progress
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=read, daemon=True).start()
    while (line := lines.get()) is not None:
        yield str(strict_json.loads(line, "standard input"))
