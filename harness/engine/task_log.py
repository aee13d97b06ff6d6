"""The log of a task: a file that takes the place of the process's streams, loggers and warnings while a stage runs."""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from harness.errors import StoreError
from harness.formats.escapes import visible


class Log(io.TextIOBase):
    r"""A text file opened for appending, used in place of ``sys.stdout`` and ``sys.stderr``.

    It has what libraries use of those: ``buffer``, ``encoding``, ``errors``, ``fileno`` (of the file), ``reconfigure``.
    A progress bar that is redrawn with ``\r`` becomes lines; other control characters are shown as escapes. The log is
    optional: if the disk is full, nothing is written and nothing is raised.

    Raises (on creation):
        StoreError: the log's folder is gone or cannot be written.
    """

    name = "log.txt"
    mode = "w"
    line_buffering = True
    write_through = True

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as e:
            raise StoreError(path, e.strerror or str(e)) from None
        self.buffer = LogBytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    def reconfigure(self, **_: object) -> None:
        """The log's own settings stay."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        clean = visible(text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    "), lines=True)
        with contextlib.suppress(
            OSError, ValueError
        ):  # ValueError: the log is closed, but a thread still prints
            self._file.write(clean.encode("utf-8", self.errors))
        return len(text)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(OSError):
                self._file.close()
        super().close()


class LogBytes(io.BufferedIOBase):
    """The ``buffer`` of a log: bytes are text in UTF-8, and others are shown as escapes."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode

    def writable(self) -> bool:
        return True

    def write(self, content: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        taken = bytes(memoryview(content))
        self._log.write(self._decode(taken))
        return len(taken)

    def fileno(self) -> int:
        return self._log.fileno()


@contextlib.contextmanager
def captured(log: Log) -> Iterator[None]:
    """Send what a stage and its libraries print, log and warn to the task's log instead of the terminal."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        log.write(warnings.formatwarning(message, category, filename, lineno, line))

    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log), warnings.catch_warnings():
            warnings.showwarning = show
            yield
    finally:
        root.removeHandler(handler)
