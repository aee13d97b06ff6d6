"""Handles libraries that end the process: OpenBLAS and OpenMP exit with 1 if they cannot start their threads.

If OpenBLAS would not get its threads, it is limited to one. If a library still ends the process with exit code 1,
the code becomes 5 (the machine's resources did not suffice) and one line is printed. What the library prints stays,
since it writes to the terminal directly. A library that crashes (139, a segmentation fault) cannot be handled.
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
"""Bytes of address space that loading numpy takes in addition to its threads, with some to spare."""

_kept: list[object] = []


def watch() -> None:
    """Start watching, for this process only."""
    sys.meta_path.insert(0, _BeforeNumpy())
    library, owner = ctypes.CDLL(None), os.getpid()
    if not hasattr(library, "on_exit"):  # only glibc has it; elsewhere exit code 1 stays
        return
    callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)(lambda status, _: _end(status, owner))
    _kept.append(callback)
    library.on_exit(callback, None)
    # If the interpreter ends by itself, as in a forked child, Python can no longer be called. The handler that is
    # registered last runs first, and ends the process with its current exit code.
    atexit.register(library.on_exit, library._exit, None)


def can_start(threads: int) -> bool:
    """Whether ``threads`` threads can be started in addition to what loading numpy takes."""
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
    """Import hook that runs before numpy: OpenBLAS reads its environment variable when numpy loads it."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name == "numpy":
            sys.meta_path.remove(self)
            wanted = os.environ.get(THREADS) or os.environ.get("OMP_NUM_THREADS") or ""
            count = int(wanted) if wanted.isdecimal() and len(wanted) < 4 else os.cpu_count() or 1
            if count > 1 and not can_start(count):
                os.environ[THREADS] = "1"
        return None


def _end(status: int, owner: int) -> None:
    """Called if a library ends the process; the harness's own exits bypass it (``signals.end_with_left_code``)."""
    if status == 1 and os.getpid() == owner:
        signals.write("a library gave up and ended the process; what is finished is kept")
        os._exit(int(Exit.FAILED))
