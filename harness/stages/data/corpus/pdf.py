"""A folder of PDFs as a corpus: one row per page with text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifact import Corpus, Json
from harness.errors import StageError
from harness.formats import corpus
from harness.formats.corpus import Row
from harness.sources.content import files_of
from harness.sources.hub import Source
from harness.stage import Job, Reading, stage

if TYPE_CHECKING:
    from harness.stages.data.corpus.pages import Account


_NAMED = 5


@stage(version=1, software=("pypdf",))
def read_pdfs(*, source: Source, strict: Reading[bool] = False, job: Job) -> Corpus:
    """The text of PDFs, page by page, in the order of file names and pages.

    Words hyphenated at a line's end are rejoined, the lines of a paragraph joined, ligatures taken apart.
    Running heads, page numbers and tables stay as pypdf extracts them, and a word that is broken between two
    pages stays broken.

    Args:
        source: a PDF, or a folder in which every ``.pdf`` is read, subfolders included.
        strict: if true, a page that fails, or a file that is encrypted, scanned, broken or empty, is an error. If
            false, it is named in the facts (``files``, with pages read, failed and empty) and reading continues.

    Raises:
        StageError: no PDF, or none that can be read.
    """
    from harness.stages.data.corpus.pages import read_file

    files, unread = _pdfs(source.path)
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
            f"{source.path}: {len(troubles)} of {len(files)} PDFs not wholly read: "
            f"{', '.join(troubles[:_NAMED])}{more}"
        )
    folder = job.folder()
    corpus.write(folder, rows)
    facts = {**corpus.count(rows), **_totals(accounts), "unread": dict(unread)}
    return Corpus(folder, facts, conditions={"text": corpus.digest(rows)})


def _tell(job: Job, name: str, line: str) -> None:
    job.log(f"{name}: {line}")


def _pdfs(place: Path) -> tuple[dict[str, Path], Counter[str]]:
    """The PDFs by name, and the other files by suffix."""
    if place.is_file():
        return {place.name: place}, Counter()
    files = files_of(place)
    pdfs = {name: file for name, file in files.items() if file.suffix.lower() == ".pdf"}
    others = Counter(file.suffix or name for name, file in files.items() if name not in pdfs)
    if not pdfs:
        kinds = ", ".join(f"{n} {suffix}" for suffix, n in others.most_common(3)) or "nothing"
        raise StageError(f"{place}: no PDF, only {kinds}")
    return pdfs, others


def _trouble(account: Account) -> str:
    """Why a file was not fully read; empty if it was."""
    if account.status != "read":
        return f"{account.status}: {account.note}"
    if account.failed:
        return f"page {', '.join(map(str, account.failed[:_NAMED]))}: {account.note}"
    return ""


def _totals(accounts: Mapping[str, Account]) -> dict[str, Json]:
    return {
        "pages": sum(found.pages for found in accounts.values()),
        "failed_pages": sum(len(found.failed) for found in accounts.values()),
        "statuses": dict(sorted(Counter(found.status for found in accounts.values()).items())),
        "files": {name: found.to_json() for name, found in accounts.items()},
    }
