"""Output of the process: everything that the harness prints goes through here and is made harmless.

A reader that quits early (``harness run … | head``) or a closed stream (``>&-``) changes nothing. If standard output
is full, the requested output is lost, so the command fails with 5. A full standard error does not matter.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, TextIO

from harness.errors import Exit, HarnessError
from harness.formats.escapes import visible, visible_in_json, without_commands

if TYPE_CHECKING:
    from harness.artifact import Json


class OutputError(HarnessError):
    """Standard output cannot be written."""

    exit = Exit.FAILED


class Outlet(io.TextIOBase):
    """A stream that prints no commands of a CI system, and whose reader may quit.

    Colours and cursor movements pass, since callers have already escaped control characters in the text.
    """

    def __init__(self, stream: TextIO, *, is_vital: bool) -> None:
        super().__init__()
        self._stream = stream
        self._is_vital = is_vital
        self._begins_line = True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._put(without_commands(text, begins_line=self._begins_line))
        _, newline, rest = text.rpartition("\n")
        self._begins_line = (bool(newline) or self._begins_line) and not rest.strip()
        return len(text)

    def command(self, text: str) -> None:
        """Print commands of a CI system, on separate lines."""
        self._put(text if self._begins_line else f"\n{text}")

    def flush(self) -> None:
        with self._reader_may_leave():
            self._stream.flush()

    def _put(self, text: str) -> None:
        with self._reader_may_leave():
            try:
                self._stream.write(text)
            except UnicodeEncodeError:  # the stream was not opened by `open_all`
                self._stream.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))

    @contextlib.contextmanager
    def _reader_may_leave(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            _discard(self._stream)
        except OSError as e:
            _discard(self._stream)
            if self._is_vital:
                raise OutputError(f"standard output cannot be written ({e.strerror})") from None


def open_all() -> None:
    """Make the process's three streams usable, in whatever state the caller left them.

    A closed stream is redirected to the null device. Otherwise the next opened file would get its number, and would
    receive what a library prints.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # characters that the terminal lacks are shown escaped


def out() -> Outlet:
    """Return standard output, for requested output."""
    return Outlet(sys.stdout, is_vital=True)


def err() -> Outlet:
    """Return standard error, for progress and problems."""
    return Outlet(sys.stderr, is_vital=False)


_kept: ContextVar[list[str] | None] = ContextVar("kept", default=None)


@contextlib.contextmanager
def keeping() -> Iterator[list[str]]:
    """Print no problem and no note: collect them, a line each, for a program that uses the harness as a library."""
    lines: list[str] = []
    token = _kept.set(lines)
    try:
        yield lines
    finally:
        _kept.reset(token)


def say(line: str) -> None:
    """Print one line to standard output."""
    _line(out(), line)


def warn(*lines: str) -> None:
    """Print a problem to standard error: ``harness: …``, then its further lines."""
    if (kept := _kept.get()) is not None:
        kept.extend(lines)
        return
    first, *more = lines
    outlet = err()
    _line(outlet, f"harness: {first}")
    for line in more:
        _line(outlet, line)


def note(line: str) -> None:
    """Print one line to standard error that is not a problem."""
    if (kept := _kept.get()) is not None:
        kept.append(line)
        return
    _line(err(), line)


def document(body: Json, indent: int = 1) -> None:
    """Print JSON to standard output. Unsafe characters are escaped as in JSON."""
    outlet = out()
    text = json.dumps(
        body, indent=indent, ensure_ascii=not outlet.encoding.lower().startswith("utf"), allow_nan=False
    )
    outlet.write(visible_in_json(text) + "\n")
    outlet.flush()


def workflow(text: str) -> None:
    """Print the harness's own commands for a CI system to standard output, with their content escaped."""
    outlet = out()
    outlet.command(text)
    outlet.flush()


def flush() -> None:
    """Flush the streams and ignore failures."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _line(outlet: Outlet, line: str) -> None:
    outlet.write(visible(line) + "\n")
    outlet.flush()


def _discard(stream: TextIO) -> None:
    """Discard all further output, because the reader has quit or the disk is full."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
