"""``harness task``: executes one call again, by hand, for example the call of a task that failed."""

from __future__ import annotations

import os
import shutil
import tempfile
from argparse import Namespace
from dataclasses import asdict, replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from harness.cli import signals
from harness.engine import call as calls
from harness.engine.call import CALL
from harness.engine.execution import execute
from harness.engine.executors.local import THREADS
from harness.errors import Exit, StageError, UsageError
from harness.report import streams


def main(o: Namespace) -> Exit:
    """``harness task``. The work goes into a new folder: the call's own folder and the store stay as they are."""
    _limit_threads(calls.threads(o.call))
    call = calls.read(o.call)
    work = _new_folder(o.to)
    try:
        (work / "entry").mkdir(parents=True)
        (work / "scratch").mkdir()
        shutil.copyfile(o.call, work / CALL)
    except OSError as e:
        raise UsageError(f"{work}: cannot be written ({e.strerror})") from None
    outcome = execute(replace(call, work=work), _Printing(), signals.is_stopped)
    if outcome.error is not None:
        raise StageError(f"{call.node} ({call.stage.name}): {outcome.error}; log: {work / 'log.txt'}")
    streams.document({**asdict(outcome), "distributions": len(outcome.distributions), "work": str(work)})
    return Exit.OK


def _limit_threads(count: int | None) -> None:
    """Give the libraries as many threads as the call's worker gave them: sums in other parts have other last digits."""
    if count is not None:
        os.environ.update(dict.fromkeys(THREADS, str(count)))  # for what is loaded with the stage
        threadpool_limits(count)  # for what is loaded already


def _new_folder(to: Path | None) -> Path:
    if to is None:
        return Path(tempfile.mkdtemp(prefix="harness-task-"))
    if to.exists():
        raise UsageError(f"--to {to}: it exists already")
    return to.absolute()


class _Printing:
    """Prints what the stage reports."""

    def progress(self, done: int, total: int, what: str) -> None:
        streams.note(f"{done}/{total} {what}")

    def log(self, line: str) -> None:
        streams.note(line)
