"""Libraries that give up: OpenBLAS and OpenMP end the process where they get no threads, and with exit 1.

What they print stays (it goes to the terminal's own file, past everything here). Where OpenBLAS would not get its
threads, it is told to do with one. Where any library ends the process with exit 1 nevertheless, it becomes 5, with a
line: the machine did not suffice. A library that crashes instead (139, a segmentation fault) is out of reach.
"""

from __future__ import annotations

import atexit
import ctypes
import mmap
import os
import sys
import threading
from contextlib import ExitStack
from importlib.machinery import ModuleSpec

from harness.cli import signals
from harness.errors import Exit

THREADS = "OPENBLAS_NUM_THREADS"
ROOM = 256 << 20
"""Bytes of address space that loading numpy takes beside its threads, with some to spare."""

_kept: list[object] = []


def watch() -> None:
    """From now on, for this process alone."""
    sys.meta_path.insert(0, _BeforeNumpy())
    library, owner = ctypes.CDLL(None), os.getpid()
    if not hasattr(library, "on_exit"):  # glibc's; elsewhere exit 1 stays what it is
        return
    callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)(lambda status, _: _end(status, owner))
    _kept.append(callback)
    library.on_exit(callback, None)
    # Where an interpreter ends by itself, as a forked child's may, nothing of Python can be called any more: what is
    # registered last is called first, and ends the process with the code that it has.
    atexit.register(library.on_exit, library._exit, None)


def can_start(threads: int) -> bool:
    """Whether so many threads can be started, beside what loading numpy takes."""
    over = threading.Event()
    started: list[threading.Thread] = []
    with ExitStack() as stack:
        try:
            stack.callback(mmap.mmap(-1, ROOM).close)
            for _ in range(threads):
                thread = threading.Thread(target=over.wait, daemon=True)
                thread.start()
                started.append(thread)
        except (RuntimeError, OSError, MemoryError):
            return False
        finally:
            over.set()
            for thread in started:
                thread.join()
    return True


class _BeforeNumpy:
    """Asked for every module that is imported; numpy brings OpenBLAS, which reads its variable when it is loaded."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name == "numpy":
            sys.meta_path.remove(self)
            wanted = os.environ.get(THREADS) or os.environ.get("OMP_NUM_THREADS") or ""
            count = int(wanted) if wanted.isdecimal() and len(wanted) < 4 else os.cpu_count() or 1
            if count > 1 and not can_start(count):
                os.environ[THREADS] = "1"
        return None


def _end(status: int, owner: int) -> None:
    """Called where a library ends the process: the harness's own ends pass it by (``signals.end_with_left_code``)."""
    if status == 1 and os.getpid() == owner:
        signals.write("a library gave up and ended the process; what is finished is kept")
        os._exit(int(Exit.FAILED))
