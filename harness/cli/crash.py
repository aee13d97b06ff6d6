"""Turns an unexpected exception into one line and an exit code.

Faults of the machine or its user (a full disk, a deleted folder, a name that is not UTF-8, no memory) get the usual
exit codes. Everything else is a fault of the harness: exit code 70, with the traceback in a file.
"""

from __future__ import annotations

import errno
import os
import tempfile
import traceback
from pathlib import Path

from harness.errors import Exit, HarnessError
from harness.formats.escapes import visible

PACKAGE = Path(__file__).parent

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


def explain(error: Exception | SystemExit) -> tuple[str, Exit]:
    """Return one line for the user and the exit code. Never raises."""
    try:
        return _known(error) or (f"internal error: {_internal(error)}", Exit.INTERNAL)
    except Exception as e:  # the exception's ``str`` raises, or no memory is left for a line
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
