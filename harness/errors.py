"""Errors that a user can fix: each is printed as one line with one exit code, never as a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

__contract__ = "how stages talk to the harness, not what they compute: no part of a source digest"


class Exit(IntEnum):
    """Exit codes of the process. The first that applies is used, in this order, except for the last."""

    USAGE = 2
    """An invalid suite, command line or file."""
    FAILED = 5
    """A task failed. The others continued, and complete comparisons still have verdicts."""
    REGRESSED = 6
    """A gate regressed. Not 1, because an interpreter or library that aborts by itself ends with 1."""
    INCOMPARABLE = 4
    """Protocols differ, a score is missing, or there is no baseline."""
    INCONCLUSIVE = 3
    """A gate is inconclusive. Only with ``--strict``."""
    OK = 0
    INTERNAL = 70
    """A fault of the harness. Signals end with 128 plus their number: see ``harness.cli.signals``."""


def worst(codes: Iterable[Exit]) -> Exit:
    """The exit code of several results: the first that applies, in the order of ``Exit``; OK if there is none."""
    order = list(Exit)
    return min(codes, key=order.index, default=Exit.OK)


class Where(NamedTuple):
    """A place in a text file; ``line`` counts from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class HarnessError(Exception):
    """A mistake with a message written for the person who made it."""

    exit: Exit = Exit.USAGE

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines to print: one, unless there are several mistakes."""
        return (str(self),)


class UsageError(HarnessError):
    """The command, a file or the environment cannot be used as asked."""


class SuiteError(UsageError):
    """A mistake in a suite file, with its place, a description, and the nearest valid name."""

    def __init__(self, where: Where, message: str, *more: str) -> None:
        self.where = where
        self._lines = (f"{where}: {message}", *more)
        super().__init__("\n".join(self._lines))

    @property
    def lines(self) -> tuple[str, ...]:
        return self._lines


class StoreError(HarnessError):
    """The store cannot be written or read (disk full, read-only, no permission), so running tasks cannot continue."""

    exit = Exit.FAILED

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"store {path}: {problem}")


class StageError(HarnessError):
    """Raised by a stage for a problem that appears only while running, such as bad data or a NaN loss.

    The task fails with this message; tasks that do not depend on it continue.
    """

    exit = Exit.FAILED


class ResourceError(StageError):
    """The machine's resources did not suffice. The work is not at fault, so the progress of a training is kept."""


def text_of(error: BaseException) -> str:
    """The text of any exception, without space around it; empty if its ``__str__`` raises."""
    try:
        return str(error).strip()
    except KeyboardInterrupt:  # a signal
        raise
    except BaseException:
        return ""


def described(error: BaseException) -> str:
    """Type and first line of an exception that is not ours. Never raises, whatever the exception is."""
    text = text_of(error)
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest of ``names``, or ``""``."""
    close = get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
