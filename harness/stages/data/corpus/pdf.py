"""PDFs as a corpus: one row per page with text, and a record of what could not be read and why."""

from __future__ import annotations

import logging
import re
import struct
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from harness.artifact import Corpus, Json
from harness.errors import StageError
from harness.formats import corpus
from harness.formats.corpus import Row
from harness.sources.content import files_of, passed_over
from harness.sources.hub import Source
from harness.stage import Job, Reading, stage
from harness.stages.data.corpus.glyphs import UNREADABLE, clarify, marked

_NAMED = 5


@stage(version=1, software=("pypdf",))
def read_pdfs(*, source: Source, strict: Reading[bool] = False, job: Job) -> Corpus:
    """The text of PDFs, page by page, in the order of file names and pages.

    Words hyphenated at a line's end are rejoined, the lines of a paragraph joined, ligatures taken apart. A glyph whose
    character the file does not say (mapped to nothing, to a private character, or of a font without a map) is told from
    its name in the font; where that says nothing either, U+FFFD stands for it, and the facts count it for each page.
    Running heads, page numbers and tables stay as pypdf extracts them, and a word that is broken between two
    pages stays broken.

    Args:
        source: a PDF, or a folder in which every ``.pdf`` is read, subfolders included.
        strict: if true, a page that fails, a glyph without a character, or a file that is encrypted, scanned, broken
            or empty, is an error. If false, it is named in the facts (``files``, with pages read, failed, empty and
            unclear) and reading continues.

    Raises:
        StageError: no PDF, or none that can be read.
    """
    files, unread = _pdfs(source.path, source.text)
    accounts: dict[str, Account] = {}
    rows: list[Row] = []
    for name, file in files.items():
        accounts[name], pages = read_file(file, partial(_tell, job, name))
        rows += [Row(page.text, name, page.number, index) for index, page in enumerate(pages)]
        job.progress(len(accounts), len(files), "files")
    troubles = [f"{name} ({_trouble(found)})" for name, found in accounts.items() if _trouble(found)]
    if troubles and (strict or not rows):
        more = f" and {len(troubles) - _NAMED} more" if len(troubles) > _NAMED else ""
        raise StageError(
            f"{source.text}: {len(troubles)} of {len(files)} PDFs not wholly read: "
            f"{', '.join(troubles[:_NAMED])}{more}"
        )
    folder = job.folder()
    corpus.write(folder, rows)
    facts = {**corpus.count(rows), **_totals(accounts), "unread": dict(unread), **passed_over(source.path)}
    if facts["unclear"]:
        named = [name for name, found in accounts.items() if found.unclear]
        facts["warnings"] = [
            f"{facts['unclear']} glyphs of {len(named)} PDFs have no character in the file, and are U+FFFD in the text"
            f": {', '.join(named[:_NAMED])}{', …' if len(named) > _NAMED else ''}"
        ]
    return Corpus(folder, facts, conditions={"text": corpus.digest(rows)})


def _tell(job: Job, name: str, line: str) -> None:
    job.log(f"{name}: {line}")


def _pdfs(place: Path, what: str) -> tuple[dict[str, Path], Counter[str]]:
    """The PDFs by name, and the other files by suffix."""
    if place.is_file():
        return {place.name: place}, Counter()
    files = files_of(place)
    pdfs = {name: file for name, file in files.items() if file.suffix.lower() == ".pdf"}
    others = Counter(file.suffix or name for name, file in files.items() if name not in pdfs)
    if not pdfs:
        kinds = ", ".join(f"{n} {suffix}" for suffix, n in others.most_common(3)) or "nothing"
        raise StageError(f"{what}: no PDF, only {kinds}")
    return pdfs, others


def _trouble(account: Account) -> str:
    """Why a file was not fully read; empty if it was."""
    if account.status != "read":
        return f"{account.status}: {account.note}"
    if account.failed:
        return f"page {', '.join(map(str, account.failed[:_NAMED]))}: {account.note}"
    if account.unclear:
        told = f"{sum(account.unclear.values())} glyphs whose character it does not say"
        return f"page {', '.join(map(str, account.unclear))}: {told}"
    return ""


def _totals(accounts: Mapping[str, Account]) -> dict[str, Json]:
    return {
        "pages": sum(found.pages for found in accounts.values()),
        "failed_pages": sum(len(found.failed) for found in accounts.values()),
        "unclear": sum(sum(found.unclear.values()) for found in accounts.values()),
        "statuses": dict(sorted(Counter(found.status for found in accounts.values()).items())),
        "files": {name: found.to_json() for name, found in accounts.items()},
    }


Status = Literal["read", "encrypted", "scanned", "broken", "empty"]

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
    unclear: Mapping[int, int] = field(default_factory=dict)
    """Page number → glyphs on it whose character the file does not say; each is U+FFFD in the text."""
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
            "unclear": {str(page): count for page, count in self.unclear.items()},
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
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError, PyPdfError

    # What pypdf raises for a damaged file: its own errors and, in the words of its documentation, "other exceptions".
    damage = (
        *(PyPdfError, ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError),
        *(OSError, RecursionError, TypeError, ValueError, struct.error, zlib.error),
    )
    with _messages(log) as heard:
        try:
            reader = PdfReader(file)
            count = len(reader.pages)
        except FileNotDecryptedError:
            return Account("encrypted", note="needs a password"), []
        except damage as e:
            return Account("broken", note=_one_line(e)), []
        pages, failed, pictures, reason = [], [], False, None
        unclear: dict[int, int] = {}
        for number in range(1, count + 1):
            try:
                heard.lost = None
                page = reader.pages[number - 1]
                try:
                    clarify(page)
                except damage as e:
                    log(f"page {number}: its fonts cannot be looked at ({_one_line(e)})")
                raw = marked(page.extract_text())
                text = mend(raw)
                if glyphs := raw.count(UNREADABLE):
                    unclear[number] = glyphs
                pictures = pictures or (not text and len(page.images) > 0)
                why = heard.lost
                if glyphs and not any(map(str.isalnum, text)):
                    why = why or f"none of its {glyphs} glyphs has a character in the file"
            except damage as e:
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
    return Account(status, count, unclear, len(pages), tuple(failed), empty, note or heard.first), pages


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


_DROPPED = [*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFEFF]
"""Control characters, surrogates (which no encoding can write) and byte-order marks."""

_CHARACTERS: dict[int, str | None] = {
    **dict.fromkeys(_DROPPED),
    **dict.fromkeys(map(ord, "\n\v\f\x85\u2028"), "\n"),
    ord("\t"): " ",
    ord("\u2029"): "\n\n",
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)},
}
"""Replacements of single characters. The only compatibility forms taken apart are the ligatures ﬀ to ﬆ: NFKC of the
whole text would turn m² into m2 and ½ into 1⁄2.
"""

_SOFT_HYPHEN = re.compile("\u00ad(?:[ ]*\n[ ]*)?")
_LINE_END_HYPHEN = re.compile(r"(?<=(\w))([-\u2010])[ ]*\n[ ]*(?=(\w))")
_PARAGRAPH_END = re.compile(r"\n\s*\n")


def mend(page: str) -> str:
    """Running text: ligatures taken apart, control characters removed, words and paragraphs rejoined.

    A word hyphenated at the end of a line is rejoined if both sides are lower case. Next to a capital or a digit
    the hyphen is part of the word and stays (``Sentinel-2``, ``CNN-based``). A compound that is broken at its own
    hyphen (``state-`` / ``of-the-art``) looks the same as a hyphenated word and loses the hyphen.
    Paragraphs are separated by blank lines, and remain so.
    """
    text = unicodedata.normalize("NFC", page.replace("\r\n", "\n").replace("\r", "\n").translate(_CHARACTERS))
    text = _LINE_END_HYPHEN.sub(_joined, _SOFT_HYPHEN.sub("", text))
    paragraphs = (" ".join(paragraph.split()) for paragraph in _PARAGRAPH_END.split(text))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _joined(hyphen: re.Match[str]) -> str:
    before, mark, after = hyphen.groups()
    return "" if before.islower() and after.islower() else mark
