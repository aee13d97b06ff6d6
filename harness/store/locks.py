"""Locks: the kernel's ``flock``, or on a file system without it a lease with a heartbeat.

A kernel lock is freed when its holder ends. If ``flock`` is missing (on some network file systems), the holder of a
lease renews it every 20 s, and loses it after 60 s of silence: a process that waits cannot distinguish a host that is
down from one that finished. A holder that was only slow finds its work folder gone (``store.begin``), so nothing torn
is stored.

A lock's file contains its holder's name and is removed on release.
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
"""A holder that was silent for this many seconds loses its lease. All processes of a store must use the same."""

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


@contextmanager
def held(file: Path, waiting: Callable[[str], None] = lambda holder: None) -> Iterator[None]:
    """Hold the lock of a file; the file's folder must exist.

    Args:
        file: the lock file; created here and removed at the end.
        waiting: called once with the holder's name, if another process holds the lock.

    Raises:
        OSError: the file cannot be created or locked.
    """
    lock = _acquired(file, waiting)
    try:
        yield
    finally:
        _release(lock, file)


def try_hold(file: Path) -> Callable[[], None] | None:
    """Take the lock of a file if it is free; returns a function that frees it, or None.

    Raises:
        OSError: as for ``held``.
    """
    try:
        lock = _acquired(file, lambda holder: None, timeout=0)
    except Timeout:
        return None
    return lambda: _release(lock, file)


def is_held(file: Path) -> bool:
    """Whether a process holds the lock of a file; the file is removed if it is free.

    Raises:
        OSError: as for ``held``.
    """
    if not file.exists() and not _lease(file).exists():
        return False
    free = try_hold(file)
    if free is not None:
        free()
    return free is None


def of(path: Path) -> Path:
    """The path of the lock file in a folder of locks that ``path`` belongs to."""
    return path.with_suffix("") if path.suffix == ".lease" else path


def holder(file: Path) -> str:
    """The holder of a lock, as ``pid 123 on host``; ``it`` if the file does not contain it."""
    with suppress(UsageError, ValueError, TypeError, KeyError):
        said = strict_json.read(file)
        return f"pid {int(said['pid'])} on {said['host']}"
    owner = SoftFileLease(_lease(file), lease_duration=LEASE_S).owner
    return "it" if owner is None else f"pid {owner.pid} on {owner.hostname}"


def _lease(file: Path) -> Path:
    """The path of a lock's lease, used if the file system has no locks."""
    return file.with_name(f"{file.name}.lease")


def _acquired(file: Path, waiting: Callable[[str], None], timeout: float = -1) -> BaseFileLock:
    lock: BaseFileLock = FileLock(file, fallback_to_soft=False)
    try:
        _wait(lock, file, waiting, timeout)
        with suppress(OSError):  # on a full disk the lock works without its holder's name
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
    """Free a lock and remove its file. A process that waits for the removed file notices and takes the new one."""
    if not isinstance(lock, SoftFileLease):
        with suppress(OSError):
            file.unlink()
    lock.release()
