"""SIGINT, SIGTERM and SIGHUP all end the process with one line and exit code 130, 143 or 129.

Running the same command again continues the work. The first signal raises ``KeyboardInterrupt`` in the main thread, so
that files are closed and children are stopped. If that does not end the process, ``harness.cli.watchdog`` does. This
module imports very little, because the interpreter's default signal handling applies until it is loaded.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
KEPT = "what is finished is kept, the same command goes on from there"

received: list[signal.Signals] = []
"""The first signal, once one has arrived."""
_said: list[signal.Signals] = []


def is_stopped() -> bool:
    """Whether a signal has asked the process to stop."""
    return bool(received)


def catch() -> None:
    """Raise ``KeyboardInterrupt`` on the signals, except those that the caller ignores (``nohup``)."""
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def release() -> None:
    """Restore the default handlers, for a forked child."""
    for number in NUMBERS:
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def leave(code: int) -> NoReturn:
    """End the process with ``code``. Signals are ignored from here on, since the command is done.

    Exit handlers of libraries still run (threads are joined, temporary files are removed). Our handler was registered
    before theirs, so it runs last and ends the process. Otherwise the interpreter's own shutdown (a failing destructor,
    a stream that cannot be flushed) could print a traceback or change the exit code.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    _codes.append(code)
    sys.exit(code)


def leave_stopped() -> NoReturn:
    """End the process after a signal, in one line."""
    number = received[0] if received else signal.SIGINT
    say(number)
    leave(128 + number)


def say(number: signal.Signals) -> None:
    """Print once that a signal ends the process, even if ``sys.stderr`` was replaced."""
    if not _said:
        _said.append(number)
        write(f"{WORDS[number]}; {KEPT}")


def write(line: str) -> None:
    """Write a line directly to the terminal."""
    try:
        os.write(2, f"harness: {line}\n".encode(errors="backslashreplace"))
    except OSError:  # the terminal is gone, as after SIGHUP
        return


def end_with_left_code() -> None:
    """The exit handler that runs last."""
    if _codes:
        os._exit(_codes[0])


_codes: list[int] = []


def _stop(number: int, frame: FrameType | None) -> None:
    if not received:  # one exception is enough; the watchdog ends a process that ignores it
        received.append(signal.Signals(number))
        raise KeyboardInterrupt
