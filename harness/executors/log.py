"""The log of a task: what its stage and the libraries print, as text that a terminal can show."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from harness.errors import StoreError
from harness.unclean import visible


class Log(io.TextIOBase):
    r"""A text file to append to, in the place of ``sys.stdout`` and ``sys.stderr``.

    A bar that is drawn over and over (``\r``) becomes lines; other control characters are shown as escapes. A log
    is a courtesy: where the disk is full nothing is written and nothing is raised.

    Raises (when it is made):
        StoreError: its folder is gone or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as e:
            raise StoreError(path, e.strerror or str(e)) from None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        clean = visible(text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    "), lines=True)
        with contextlib.suppress(OSError, ValueError):  # ValueError: closed, and a thread goes on printing
            self._file.write(clean.encode("utf-8", "backslashreplace"))
        return len(text)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(OSError):
                self._file.close()
        super().close()
