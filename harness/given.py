"""Files that a person hands over, read whole: what is no file is refused at once, where ``open`` would wait."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from harness.errors import UsageError


def opened(file: Path) -> BinaryIO:
    """A regular file, open for reading.

    Raises:
        OSError: it cannot be opened, or is a folder, a pipe, a device or a socket.
    """
    if "\0" in str(file):
        raise OSError(errno.EINVAL, "a name with the character \\x00", str(file))
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # a pipe that nobody writes to would keep us
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
        raise OSError(errno.EINVAL, "not a regular file", str(file))
    return os.fdopen(handle, "rb")


def read_bytes(file: Path) -> bytes:
    """All of a file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with opened(file) as content:
            return content.read()
    except OSError as e:
        raise UsageError(f"{file}: cannot be read ({e.strerror or e})") from None


def read_text(file: Path) -> str:
    """All of a file as text.

    Raises:
        UsageError: it cannot be read, or is not UTF-8.
    """
    return text_of(read_bytes(file), str(file))


def text_of(content: bytes, where: str) -> str:
    """Bytes as text, without a byte order mark.

    Raises:
        UsageError: they are not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        raise UsageError(f"{where}:{line}: not text in UTF-8") from None
