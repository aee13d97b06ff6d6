"""Whole-file reading, atomic writing of files and folders, and all files below a folder.

A reader sees either all of the old content or all of the new. A full disk leaves the old content; a kill leaves at most
one temporary, ``.<name>.<16 hex>.torn``, which the next write of the same name removes. A temporary is locked while its
writer is alive, so no process removes one that is still being written.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from harness.errors import UsageError


def opened(file: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        OSError: the file cannot be opened, or is a folder, a pipe, a device or a socket.
    """
    if "\0" in str(file):
        raise OSError(errno.EINVAL, "a name with the character \\x00", str(file))
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # without this, a pipe without a writer would block
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
        raise OSError(errno.EINVAL, "not a regular file", str(file))
    return os.fdopen(handle, "rb")


def read_bytes(file: Path) -> bytes:
    """Read all bytes of a file.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        with opened(file) as content:
            return content.read()
    except OSError as e:
        raise UsageError(f"{file}: cannot be read ({e.strerror or e})") from None


def read_text(file: Path) -> str:
    """Read all of a file as text.

    Raises:
        UsageError: the file cannot be read, or is not UTF-8.
    """
    return text_of(read_bytes(file), str(file))


def text_of(content: bytes, where: str, first: int = 1) -> str:
    """Decode bytes as text, without a byte order mark. ``first`` is the number of their first line, for messages.

    Raises:
        UsageError: the bytes are not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + first
        raise UsageError(f"{where}:{line}: not text in UTF-8") from None


_ABANDONED_S = 24 * 3600.0
"""On a file system without locks, a temporary of this age (in seconds) counts as abandoned."""
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
_EXCHANGE = 2
_HERE = -100


def write(file: Path, content: str | bytes, *, mode: int | None = None) -> None:
    """Write a file by one rename. Text is UTF-8.

    Args:
        file: path in an existing folder. A path that is not a regular file (a device, a pipe) is written to directly.
        content: the whole content.
        mode: permissions; by default those of the replaced file, or 0644.

    Raises:
        OSError: the file could not be written; the old content is unchanged.
    """
    with new_file(file, mode=mode) as torn:
        torn.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


@contextmanager
def new_file(file: Path, *, mode: int | None = None) -> Iterator[Path]:
    """A temporary path to write to; it becomes ``file`` if the block ends without an error.

    Raises:
        OSError: as for ``write``.
    """
    place = Path(os.path.realpath(file))  # a link stays a link
    before = _stat(place)
    if before is not None and not stat.S_ISREG(before.st_mode) and not stat.S_ISDIR(before.st_mode):
        yield file
        return
    remove_torn(place)
    with _temporary(place, folder=False) as torn:
        yield torn
        torn.chmod(mode if mode is not None else stat.S_IMODE(before.st_mode) if before else 0o644)
        sync(torn)
        torn.replace(place)
    sync(place.parent)


@contextmanager
def new_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """An empty folder to fill; it becomes ``folder`` if the block ends without an error.

    Args:
        folder: its parent must exist.
        replace: whether to replace an existing folder; otherwise that is an error.

    Raises:
        OSError: the folder could not be written, or exists already; the old content is unchanged.
    """
    place = Path(os.path.realpath(folder))
    if place.exists() and not replace:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
    remove_torn(place)
    with _temporary(place, folder=True) as torn:
        yield torn
        for child in sorted(torn.rglob("*")):
            if not child.is_symlink():
                sync(child)
        sync(torn)
        torn.chmod(0o755)
        put(torn, place)
    sync(place.parent)


@contextmanager
def staging(place: Path) -> Iterator[Path]:
    """An empty folder next to ``place``, from which files can be moved to it; removed at the end."""
    remove_torn(place)
    with _temporary(place, folder=True) as torn:
        yield torn


def put(new: Path, place: Path) -> None:
    """Rename a folder to its place; a folder that is already there gets the name of the new one.

    Raises:
        OSError: a folder could not be renamed.
    """
    try:
        new.rename(place)  # an empty folder is replaced, too
    except OSError as e:
        if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not _exchange(new, place):  # two renames where the file system cannot exchange names
            aside = new.with_name(f"{new.name}.old")
            place.rename(aside)
            new.rename(place)
            aside.rename(new)


def expanded(path: Path) -> Path:
    """The path with ``~`` at its beginning replaced by the home folder, if there is one."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def is_torn(path: Path) -> bool:
    """Whether a path is a temporary, or is inside one."""
    return any(part.startswith(".") and part.endswith(".torn") for part in path.parts)


def remove_torn(place: Path) -> None:
    """Remove the temporaries that killed writers of ``place`` left next to it, as far as possible."""
    _remove_left(place.parent, re.escape(place.name))


def remove_all_torn(folder: Path) -> None:
    """Remove the temporaries that killed writers of anything in ``folder`` left there, as far as possible."""
    _remove_left(folder, ".+")


def _remove_left(folder: Path, name: str) -> None:
    torn = re.compile(rf"\.{name}\.[0-9a-f]{{16}}\.torn", re.DOTALL)
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if torn.fullmatch(path.name):
                remove_abandoned(path)


def remove_abandoned(path: Path) -> bool:
    """Remove a temporary unless its writer is alive; returns whether it is gone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return not path.exists()
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            if e.errno not in _NO_LOCKS or time.time() - os.fstat(handle).st_mtime < _ABANDONED_S:
                return False
        _remove(path)
    finally:
        os.close(handle)
    return not path.exists()


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk.

    Raises:
        OSError: it could not be synced; it is not an error if the file system cannot sync folders.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


@contextmanager
def _temporary(place: Path, *, folder: bool) -> Iterator[Path]:
    """A locked temporary next to ``place``; removed at the end unless it was renamed."""
    while True:
        torn = place.parent / f".{place.name}.{uuid.uuid4().hex[:16]}.torn"
        if folder:
            torn.mkdir(mode=0o700)
            handle = os.open(torn, os.O_RDONLY)
        else:
            handle = os.open(torn, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if _is_ours(handle, torn):
            break
        os.close(handle)  # another process removed it as abandoned before it was locked
    try:
        yield torn
    finally:
        _remove_same(torn, handle)
        os.close(handle)


def _is_ours(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        if e.errno not in _NO_LOCKS:
            return False
    return path.exists()


def _remove_same(torn: Path, handle: int) -> None:
    """Remove what has the temporary's name now: unfinished work, or the folder that was exchanged for it."""
    if torn.is_dir() or (torn.exists() and os.path.samestat(torn.stat(), os.fstat(handle))):
        _remove(torn)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step (Linux); returns False if the system or the file system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return rename is not None and not rename(_HERE, bytes(one), _HERE, bytes(other), _EXCHANGE)


Failed = Callable[[OSError], None]


def files_below(folder: Path, failed: Failed) -> Iterator[Path]:
    """The files below a folder. Each folder is entered once, so links cannot lead in a circle.

    Links to folders are followed last: what can be named without a link is named so.

    Args:
        folder: where to begin.
        failed: called for each folder that cannot be listed (also for ``folder``, if it does not exist), and for each
            link that cannot be followed.
    """
    entered: set[tuple[int, int]] = set()
    waiting = [folder]
    for top in waiting:  # links are appended meanwhile
        for place, inner, names in os.walk(top, onerror=failed):
            status = _followed(place, failed)
            if status is None or (status.st_dev, status.st_ino) in entered:
                inner.clear()
                continue
            entered.add((status.st_dev, status.st_ino))
            inner.sort()
            waiting += [Path(place, name) for name in inner if os.path.islink(os.path.join(place, name))]
            for name in sorted(names):
                path = Path(place, name)
                if not path.is_symlink() or _followed(path, failed):
                    yield path


def _followed(path: str | Path, failed: Failed) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError as e:
        failed(e)
        return None
