"""SIGINT, SIGTERM and SIGHUP all end the process with one line and exit code 130, 143 or 129.

Running the same command again continues the work. The first signal raises ``KeyboardInterrupt`` in the main thread, so
that files are closed and children are stopped. If that does not end the process, the watchdog does, a thread. Code that
never returns to the interpreter, or that swallows the exception, has ``GRACE_S`` from the first signal. A second signal
ends the process at once. The interpreter's C signal handler writes signal numbers to a pipe, and the thread reads it.
Ending without cleanup is as safe as a kill, because finished results are put in place by one rename.

This module imports very little, because the interpreter's default signal handling applies until it is loaded.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
KEPT = "what is finished is kept, the same command goes on from there"

end_at_once = os._exit
"""Ends the process without cleaning up. Bound here, because ``crash`` watches who else calls ``os._exit``."""

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
        end_at_once(_codes[0])


_codes: list[int] = []


def _stop(number: int, frame: FrameType | None) -> None:
    if not received:  # one exception is enough; the watchdog ends a process that ignores it
        received.append(signal.Signals(number))
        raise KeyboardInterrupt


GRACE_S = 5.0
"""Seconds from the first signal until the process ends without cleaning up."""
ECHO_S = 0.5
"""A signal within this many seconds of the first is the same one: ``timeout`` and a closing terminal send it twice."""


def start_watchdog() -> None:
    """Start the thread.

    Raises:
        KeyboardInterrupt: a signal arrived before; an import may have swallowed its exception.
    """
    import threading  # not at the top: signals are caught before

    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_forget)
    sys.unraisablehook = _unraisable
    threading.Thread(target=_watch, args=(heard,), name="signals", daemon=True).start()
    if received:
        raise KeyboardInterrupt


def _watch(pipe: int) -> None:
    first = _next(pipe, None)
    if not received:  # a library has replaced our handler
        received.append(first or signal.SIGINT)
    since = time.monotonic()
    while (left := since + GRACE_S - time.monotonic()) > 0:
        if _next(pipe, left) is not None and time.monotonic() >= since + ECHO_S:
            break
    say(received[0])
    end_at_once(128 + received[0])


def _next(pipe: int, timeout_s: float | None) -> signal.Signals | None:
    """Wait for the next signal that should end the process; None after ``timeout_s``."""
    waiting = select.poll()  # unlike select, for any number of open files
    waiting.register(pipe, select.POLLIN)
    while waiting.poll(None if timeout_s is None else 1000 * timeout_s):
        number = os.read(pipe, 1)[0]  # one byte at a time: the next call reads the rest
        if number in NUMBERS:
            return signal.Signals(number)
    return None


def _forget() -> None:
    """Ignore the pipe in a forked child: the child shares it, but its signals do not concern us."""
    signal.set_wakeup_fd(-1)
    release()


def _unraisable(fault: sys.UnraisableHookArgs) -> None:
    """Print nothing for a failed destructor or callback: nobody can handle it, and its traceback does not help."""
