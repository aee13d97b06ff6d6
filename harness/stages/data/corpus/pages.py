"""The pages of one PDF, with a record of what could not be read and why."""

from __future__ import annotations

import logging
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from pypdf import PdfReader
from pypdf.errors import FileNotDecryptedError, PyPdfError

from harness.artifact import Json
from harness.stages.data.corpus.mending import mend

Status = Literal["read", "encrypted", "scanned", "broken", "empty"]

_DAMAGE = (
    *(PyPdfError, ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError),
    *(OSError, RecursionError, TypeError, ValueError, struct.error, zlib.error),
)
"""What pypdf raises for a damaged file: its own errors and, in the words of its documentation, "other exceptions"."""

_LOSSES = re.compile(r"pypdf\.(filters|_page): |pypdf\..*: (Object .* not defined|Expected StreamObject)")
"""Warnings with which pypdf drops a part of the page instead of raising, by logger and message: a stream that does
not decompress fully (pypdf keeps what did), a stream that is missing or not a stream, a form that it cannot decode.
"""


@dataclass(frozen=True)
class Account:
    """The result for one file. Each of its pages is read, failed or empty."""

    status: Status
    """``read``: at least one page has text. ``encrypted``: it needs a password. ``scanned``: images only.
    ``broken``: not a PDF, or no page can be read. ``empty``: no pages, or no page with anything to read.
    """
    pages: int = 0
    """Number of pages; 0 if the file could not be opened."""
    read: int = 0
    failed: tuple[int, ...] = ()
    """Numbers of the pages that could not be read, from 1."""
    empty: int = 0
    """Number of pages without text, including scanned ones."""
    note: str | None = None
    """Why the file was not read, or a problem that occurred while reading it."""

    def to_json(self) -> dict[str, Json]:
        """For an artifact's facts."""
        return {
            "status": self.status,
            "pages": self.pages,
            "read": self.read,
            "failed": self.failed,
            "empty": self.empty,
            "note": self.note,
        }


class Page(NamedTuple):
    number: int
    """Page number, from 1."""
    text: str


def read_file(file: Path, log: Callable[[str], None]) -> tuple[Account, list[Page]]:
    """Every page of ``file`` that has text, in order.

    Args:
        file: expected to be a PDF. A file encrypted with an empty password is read.
        log: receives each distinct message of pypdf, and why a page failed.
    """
    with _messages(log) as heard:
        try:
            reader = PdfReader(file)
            count = len(reader.pages)
        except FileNotDecryptedError:
            return Account("encrypted", note="needs a password"), []
        except _DAMAGE as e:
            return Account("broken", note=_one_line(e)), []
        pages, failed, pictures, reason = [], [], False, None
        for number in range(1, count + 1):
            try:
                heard.lost = None
                page = reader.pages[number - 1]
                text = mend(page.extract_text())
                pictures = pictures or (not text and len(page.images) > 0)
                why = heard.lost
            except _DAMAGE as e:
                why = _one_line(e)
            if why is not None:
                log(f"page {number}: {why}")
                failed.append(number)
                reason = reason or why
            elif text:
                pages.append(Page(number, text))
    status, note = _judged(count, len(pages), reason, pictures)
    if note is None and reader.is_encrypted:
        note = "opened with an empty password"
    empty = count - len(pages) - len(failed)
    return Account(status, count, len(pages), tuple(failed), empty, note or heard.first), pages


def _judged(count: int, read: int, reason: str | None, pictures: bool) -> tuple[Status, str | None]:
    if read:
        return "read", reason
    if reason:
        return "broken", reason
    if pictures:
        return "scanned", "images only"
    return "empty", "nothing to read on any page" if count else "no pages"


class _Heard(logging.Handler):
    """Collects pypdf's messages; repeated ones are logged once."""

    def __init__(self, log: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.log = log
        self.said: set[str] = set()
        self.first: str | None = None
        self.lost: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        message = " ".join(record.getMessage().split())
        if _LOSSES.match(f"{record.name}: {message}"):
            self.lost = message
        if message not in self.said:
            self.said.add(message)
            self.first = self.first or message
            self.log(f"pypdf: {message}")


@contextmanager
def _messages(log: Callable[[str], None]) -> Iterator[_Heard]:
    """Send pypdf's log messages to ``log`` instead of the terminal."""
    logger, handler = logging.getLogger("pypdf"), _Heard(log)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:200] if text else type(error).__name__
