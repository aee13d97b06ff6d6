"""One holder at a time: the kernel's lock, and on a file system without one a lease with a heartbeat.

A kernel's lock is freed with its holder. Where ``flock`` is missing (some network file systems), the holder of a lease
renews it every 20 s, and one that was silent for 60 s has lost it: for one who waits, a host that is down is like
one that finished. A holder that was only slow finds its work folder gone (``store.begin``), so nothing torn is stored.

A lock's file says who holds it, and goes with its release.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from harness.errors import UsageError
from harness.formats import strict_json

LEASE_S = 60.0
"""A holder that has been silent for so long has lost its lease. Every process that shares a store must use the same."""

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


@contextmanager
def held(file: Path, waiting: Callable[[str], None] = lambda holder: None) -> Iterator[None]:
    """Hold the lock of a file, whose folder must exist.

    Args:
        file: the lock's; made here and removed at the end.
        waiting: called once with who holds it, where somebody does.

    Raises:
        OSError: it can be neither made nor locked.
    """
    lock = _acquired(file, waiting)
    try:
        yield
    finally:
        _release(lock, file)


def try_hold(file: Path) -> Callable[[], None] | None:
    """Take the lock of a file if nobody holds it; what frees it again, or None.

    Raises:
        OSError: as ``held``.
    """
    try:
        lock = _acquired(file, lambda holder: None, timeout=0)
    except Timeout:
        return None
    return lambda: _release(lock, file)


def is_held(file: Path) -> bool:
    """Whether somebody holds the lock of a file; nothing is left where nobody does.

    Raises:
        OSError: as ``held``.
    """
    if not file.exists() and not _lease(file).exists():
        return False
    free = try_hold(file)
    if free is not None:
        free()
    return free is None


def of(path: Path) -> Path:
    """The lock that a file in a folder of locks belongs to."""
    return path.with_suffix("") if path.suffix == ".lease" else path


def holder(file: Path) -> str:
    """``pid 123 on host``, of a lock that is held; ``it`` where it does not say."""
    with suppress(UsageError, ValueError, TypeError, KeyError):
        said = strict_json.read(file)
        return f"pid {int(said['pid'])} on {said['host']}"
    owner = SoftFileLease(_lease(file), lease_duration=LEASE_S).owner
    return "it" if owner is None else f"pid {owner.pid} on {owner.hostname}"


def _lease(file: Path) -> Path:
    """Where a lock's lease is kept, if the file system has no locks."""
    return file.with_name(f"{file.name}.lease")


def _acquired(file: Path, waiting: Callable[[str], None], timeout: float = -1) -> BaseFileLock:
    lock: BaseFileLock = FileLock(file, fallback_to_soft=False)
    try:
        _wait(lock, file, waiting, timeout)
        with suppress(OSError):  # on a full disk the lock holds without a name in it
            file.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")
    except OSError as e:
        if isinstance(e, Timeout) or e.errno not in _NO_LOCKS:
            raise
        with suppress(OSError):
            file.unlink()
        lock = SoftFileLease(_lease(file), lease_duration=LEASE_S)
        _wait(lock, file, waiting, timeout)
    return lock


def _wait(lock: BaseFileLock, file: Path, waiting: Callable[[str], None], timeout: float) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if timeout == 0:
            raise
        waiting(holder(file))
        lock.acquire(timeout=timeout)


def _release(lock: BaseFileLock, file: Path) -> None:
    """Whoever waits for a file that is removed under the lock sees so and takes the new one (``filelock`` looks)."""
    if not isinstance(lock, SoftFileLease):
        with suppress(OSError):
            file.unlink()
    lock.release()
