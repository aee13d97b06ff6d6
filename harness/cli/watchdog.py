"""A thread that ends the process if a signal's ``KeyboardInterrupt`` does not.

Code that never returns to the interpreter, or that swallows the exception, has ``GRACE_S`` from the first signal. A
second signal ends the process at once. The interpreter's C signal handler writes signal numbers to a pipe, and the
thread reads it. Ending without cleanup is as safe as a kill, because finished results are put in place by one rename.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time

from harness.cli import signals

GRACE_S = 5.0
"""Seconds from the first signal until the process ends without cleaning up."""
ECHO_S = 0.5
"""A signal within this many seconds of the first is the same one: ``timeout`` and a closing terminal send it twice."""


def start() -> None:
    """Start the thread.

    Raises:
        KeyboardInterrupt: a signal arrived before; an import may have swallowed its exception.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_forget)
    sys.unraisablehook = _unraisable
    threading.Thread(target=_watch, args=(heard,), name="signals", daemon=True).start()
    if signals.received:
        raise KeyboardInterrupt


def _watch(pipe: int) -> None:
    first = _next(pipe, None)
    if not signals.received:  # a library has replaced our handler
        signals.received.append(first or signal.SIGINT)
    since = time.monotonic()
    while (left := since + GRACE_S - time.monotonic()) > 0:
        if _next(pipe, left) is not None and time.monotonic() >= since + ECHO_S:
            break
    signals.say(signals.received[0])
    os._exit(128 + signals.received[0])


def _next(pipe: int, timeout_s: float | None) -> signal.Signals | None:
    """Wait for the next signal that should end the process; None after ``timeout_s``."""
    while select.select([pipe], [], [], timeout_s)[0]:
        number = os.read(pipe, 1)[0]  # one byte at a time: the next call reads the rest
        if number in signals.NUMBERS:
            return signal.Signals(number)
    return None


def _forget() -> None:
    """Ignore the pipe in a forked child: the child shares it, but its signals do not concern us."""
    signal.set_wakeup_fd(-1)
    signals.release()


def _unraisable(fault: sys.UnraisableHookArgs) -> None:
    """Print nothing for a failed destructor or callback: nobody can handle it, and its traceback does not help."""
