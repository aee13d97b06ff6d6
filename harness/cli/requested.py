"""What the arguments of a command ask for: a suite with changes, and where its tasks run."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from harness.cli import signals
from harness.evaluation.executor_choice import Wanted
from harness.evaluation.preparing import Request
from harness.evaluation.suite_choice import suite_file


def wanted(o: Namespace) -> Wanted:
    """Where the tasks of a command run."""
    return Wanted(o.executor, o.jobs, o.address, o.inside, signals.is_stopped)


def requested(o: Namespace, file: Path | None = None) -> Request:
    """Turn the arguments of ``run``, ``plan`` or ``calibrate`` into a request.

    Args:
        o: the arguments.
        file: the suite's file; by default the one that ``o.suite`` names.

    Raises:
        UsageError: there is no such suite.
    """
    found = suite_file(o.suite) if file is None else file
    return Request(found, tuple(o.set), tuple(o.only), o.mirror, o.store, wanted(o))
