"""Turns an unexpected exception, or a library that ends the process, into one line and an exit code.

Faults of the machine or its user (a full disk, a deleted folder, a name that is not UTF-8, no memory) get the usual
exit codes. Every other exception is a fault of the harness: exit code 70, with the traceback in a file.

OpenBLAS and OpenMP exit with 1 if they cannot start their threads. If OpenBLAS would not get its threads, it is limited
to one. If a library still ends the process, by ``exit`` in C or ``os._exit``, its code would be taken for a verdict. So
only codes that the harness itself gave (``signals.leave``) leave the process; any other becomes 5 (a task failed), and
one line is printed. What the library prints stays, since it writes to the terminal directly. A library that crashes
(139, a segmentation fault; 134, ``abort``) or calls ``_exit`` in C cannot be handled.
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import mmap
import os
import sys
import tempfile
import threading
import traceback
from contextlib import ExitStack
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NoReturn

from harness.cli import signals
from harness.errors import Exit, HarnessError
from harness.formats.escapes import visible

PACKAGE = Path(__file__).parents[1]

_OF_THE_MACHINE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
    errno.ESTALE,
}
"""Errors that occur although all arguments are right; other system errors are about what was named."""


def explain(error: BaseException) -> tuple[str, Exit]:
    """Return one line for the user and the exit code. Never raises, except for a signal."""
    try:
        return _known(error) or (f"internal error: {_internal(error)}", Exit.INTERNAL)
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # the exception's ``str`` raises, or no memory is left for a line
        return (
            f"internal error: {type(error).__name__} ({type(e).__name__} while it was described)",
            Exit.INTERNAL,
        )


def _known(error: BaseException) -> tuple[str, Exit] | None:
    if isinstance(error, HarnessError):
        return str(error), error.exit
    if isinstance(error, MemoryError) or "failed to map segment" in str(error):  # a library cannot be loaded
        return "out of memory", Exit.FAILED
    if isinstance(error, OSError) and not _is_own(error):
        return _of_system(error)
    if isinstance(error, UnicodeError):
        return f"text that is no UTF-8: {_broken_text(error)}", Exit.USAGE
    if isinstance(error, ImportError):
        return f"{_first_line(error)}: the installation is incomplete", Exit.USAGE
    if "can't start new thread" in str(error) or "launch worker thread" in str(error):
        return (
            "no more threads can be started: a limit of this machine (ulimit -u, or the container's)",
            Exit.FAILED,
        )
    return None


def _of_system(error: OSError) -> tuple[str, Exit]:
    names = [
        os.fsdecode(n) for n in (error.filename, error.filename2) if isinstance(n, str | bytes | os.PathLike)
    ]
    text = error.strerror or _first_line(error)
    code = Exit.FAILED if error.errno in _OF_THE_MACHINE else Exit.USAGE
    return f"{' → '.join(names)}: {text}" if names else text, code


def _is_own(error: OSError) -> bool:
    """Whether a file of the harness itself is missing."""
    name = error.filename
    return isinstance(name, str | os.PathLike) and Path(name).is_relative_to(PACKAGE)


def _broken_text(error: UnicodeError) -> str:
    if isinstance(error, UnicodeEncodeError | UnicodeDecodeError):
        around = error.object[max(0, error.start - 40) : error.end + 40]
        return repr(around) if isinstance(around, bytes) else f"'{visible(around)}'"
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _internal(error: BaseException) -> str:
    first = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="harness-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.writelines(traceback.format_exception(error))
    except OSError as e:
        return f"{first} (its traceback could not be written: {e.strerror})"
    return f"{first}; please report it with the traceback in {file.name}"


THREADS = "OPENBLAS_NUM_THREADS"
ROOM = 256 << 20
"""Bytes of address space that loading numpy takes in addition to its threads, with some to spare."""

_kept: list[object] = []


def watch_libraries() -> None:
    """Start watching, for this process only."""
    sys.meta_path.insert(0, _BeforeNumpy())
    library, owner = ctypes.CDLL(None), os.getpid()

    def end(status: int) -> NoReturn:
        _end(owner)
        signals.end_at_once(status)

    os._exit = end
    if not hasattr(library, "on_exit"):  # only glibc has it; elsewhere the code of an ``exit`` in C stays
        return
    callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)(lambda status, _: _end(owner))
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


def _end(owner: int) -> None:
    """Called if a library ends the process; the harness's own exits bypass it (``signals.end_at_once``)."""
    if os.getpid() == owner:  # a forked child may end as it likes
        signals.end_with_left_code()  # a library that exits while the process is leaving changes nothing
        if signals.received:  # it heeds a signal in its own way
            signals.say(signals.received[0])
            signals.end_at_once(128 + signals.received[0])
        signals.write("a library gave up and ended the process; what is finished is kept")
        signals.end_at_once(int(Exit.FAILED))
