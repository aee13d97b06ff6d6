"""A thread that ends the process where a signal's ``KeyboardInterrupt`` does not.

Code that never returns to the interpreter, or that swallows the exception, has a few seconds from the first signal;
a second signal ends it at once. The thread hears of signals through a pipe that the interpreter's own handler in C
writes to. An end without cleaning up is as safe as a kill: what is finished was put in its place by one rename.
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
"""From the first signal until the process ends without cleaning up."""
ECHO_S = 0.5
"""A signal this soon after the first is the same one: ``timeout`` and a closing terminal send it twice."""


def start() -> None:
    """Start the thread.

    Raises:
        KeyboardInterrupt: there was a signal before, whose own exception an import may have swallowed.
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
    if not signals.received:  # a library has put its own handler in the place of ours
        signals.received.append(first or signal.SIGINT)
    since = time.monotonic()
    while (left := since + GRACE_S - time.monotonic()) > 0:
        if _next(pipe, left) is not None and time.monotonic() >= since + ECHO_S:
            break
    signals.say(signals.received[0])
    os._exit(128 + signals.received[0])


def _next(pipe: int, timeout_s: float | None) -> signal.Signals | None:
    """The next signal that should end the process; None when the time is over."""
    while select.select([pipe], [], [], timeout_s)[0]:
        number = os.read(pipe, 1)[0]  # one at a time: what follows is the next call's
        if number in signals.NUMBERS:
            return signal.Signals(number)
    return None


def _forget() -> None:
    """A forked child shares the pipe, and its signals are no concern of ours."""
    signal.set_wakeup_fd(-1)
    signals.release()


def _unraisable(fault: sys.UnraisableHookArgs) -> None:
    """A destructor or a callback failed. Nobody can handle it, and its traceback helps no reader."""
