"""SIGINT, SIGTERM and SIGHUP end the process alike: 130, 143 or 129, one line, and the same command goes on.

The first signal raises ``KeyboardInterrupt`` in the main thread, so that files are closed and children are stopped.
Where that does not end the process, ``harness.cli.watchdog`` does. This module imports next to nothing: until it is
loaded, a signal does what the interpreter makes of it.
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
"""The first of them, once there was one."""
_said: list[signal.Signals] = []


def is_stopped() -> bool:
    """Whether a signal has asked the process to stop."""
    return bool(received)


def catch() -> None:
    """Raise ``KeyboardInterrupt`` at the signals, save those that the caller has ignored (``nohup``)."""
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def release() -> None:
    """Answer as any process does: for a forked child."""
    for number in NUMBERS:
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def leave(code: int) -> NoReturn:
    """End the process with ``code``. Signals no longer matter: the command is done.

    The handlers that libraries registered run (threads are joined, temporary files are removed); the last of all
    handlers, registered before theirs, ends the process. What an interpreter does after that (a destructor that
    fails, a stream that cannot be flushed) would print a traceback or change the code.
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
    """Tell that a signal ends the process, once; whatever ``sys.stderr`` is now."""
    if not _said:
        _said.append(number)
        write(f"{WORDS[number]}; {KEPT}")


def write(line: str) -> None:
    """A line to the terminal's own file."""
    try:
        os.write(2, f"harness: {line}\n".encode(errors="backslashreplace"))
    except OSError:  # the terminal has gone, which is what SIGHUP says
        return


def end_with_left_code() -> None:
    """The last handler at exit."""
    if _codes:
        os._exit(_codes[0])


_codes: list[int] = []


def _stop(number: int, frame: FrameType | None) -> None:
    if not received:  # one exception is enough; the watchdog ends a process that does not heed it
        received.append(signal.Signals(number))
        raise KeyboardInterrupt
