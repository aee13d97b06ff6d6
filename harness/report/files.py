"""Writes the files of a run's folder: record, per-item rows, reports, ``junit.xml``, logs of failures."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from harness.engine.recording import item_rows
from harness.errors import Exit, HarnessError, UsageError
from harness.formats.files import is_torn, new_folder, remove_all_torn, staging, sync, write
from harness.report import ci, markdown
from harness.store.artifacts import Store
from harness.store.items import write_items
from harness.store.record import Run
from harness.store.record_file import has_items, is_sealed, sealed, to_json

if TYPE_CHECKING:
    from harness.report.html.context import Context


BESIDE_NAME = re.compile(r"[0-9a-f]{16}\.\w+")
"""File name of a picture next to ``report.html``."""


class ReportError(HarnessError):
    """A run's folder cannot be written. Results are in the store, so running again costs almost nothing."""

    exit = Exit.FAILED


OWN = {
    "run.json",
    "items.parquet",
    "report.html",
    "report-files",
    "report.md",
    "junit.xml",
    "pictures.png",
    "logs",
}
"""Names of the files in a run's folder."""


def check_writable(folder: Path) -> None:
    """Check that the folder can be written, before hours of training.

    Raises:
        UsageError: the folder cannot be created or written.
    """
    _probe(folder, folder)


def _probe(folder: Path, named: Path) -> None:
    probe = folder / ".probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(probe, b"x" * 4096)
        probe.unlink(missing_ok=True)
    except OSError as e:
        # Python reports "exists" if a file is in the place of the folder.
        reason = os.strerror(errno.ENOTDIR) if isinstance(e, FileExistsError) else e.strerror
        raise UsageError(f"{named}: no place for a run ({reason})") from None


def check_free(folder: Path) -> None:
    """Check that the folder is free: a run may replace another run, but nothing else.

    Raises:
        UsageError: the folder cannot be created, or holds files of the user.
    """
    if not folder.exists():  # it is created with the run
        _probe(folder.parent, folder)
        return
    check_writable(folder)
    foreign = sorted(p.name for p in folder.iterdir() if p.name not in OWN and not is_torn(p))
    if foreign and not (folder / "run.json").is_file():
        raise UsageError(
            f"--out {folder}: holds other files ({foreign[0]}, …); name a new folder, or a run's"
        )


def write_run(run: Run, folder: Path, store: Store, logs: Mapping[str, Path]) -> None:
    """Write the record, its per-item rows and the logs of failed tasks, before anything is compared.

    A new folder appears by one rename. In an existing folder, all new files are written before the first file of the
    earlier run is replaced. If the replacement is interrupted, the record does not match the rows and is refused.

    Raises:
        ReportError: the folder cannot be written.
    """
    try:
        if folder.exists():
            with staging(folder / "run") as staged:
                run = _fill(staged, run, store, logs)
                _take(staged, folder)
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
            remove_all_torn(folder.parent)  # a killed run's folder has a name that no other run will have
            with new_folder(folder) as staged:
                run = _fill(staged, run, store, logs)
    except OSError as e:
        raise ReportError(
            f"{folder}: the run cannot be written ({e.strerror}); its results are in the store, run it again"
        ) from None


def write_reports(context: Context) -> None:
    """Write the reports of a comparison, and the comparison itself into ``run.json``.

    Raises:
        ReportError: the folder cannot be written.
    """
    from harness.report import html  # imports Jinja, which is slow: only when a page is written

    run, comparison, folder = context.run, context.comparison, context.folder
    file = folder / "run.json"
    record = to_json(run)
    # A record that was edited by hand is not sealed again.
    signed = sealed(record) if not file.exists() or is_sealed(file) else {**record, "digest": ""}
    body = {**signed, "comparison": comparison.to_json()}
    try:
        _write(file, json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False))
        text = markdown.render(run, comparison, changes=context.changes)
        _write(folder / "report.md", text)
        _write(folder / "junit.xml", ci.junit(comparison))
        document = html.render(context)
        _write_beside(folder / html.BESIDE, document.beside)
        _write(folder / "report.html", document.text)
        _clear_beside(folder / html.BESIDE, document.beside)
    except OSError as e:
        raise ReportError(f"{folder}: the report cannot be written ({e.strerror})") from None


def _fill(folder: Path, run: Run, store: Store, logs: Mapping[str, Path]) -> Run:
    """Write a record into an empty folder; return the record as written, with the digest of its rows."""
    if has_items(run):
        rows = folder / "items.parquet"
        write_items(rows, item_rows(run, store))
        with rows.open("rb") as content:
            run = replace(run, items=file_digest(content, "sha256").hexdigest())
    for name, log in logs.items():
        (folder / "logs").mkdir(exist_ok=True)
        shutil.copyfile(log, folder / "logs" / f"{name}.txt")
    body = json.dumps(sealed(to_json(run)), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "run.json").write_text(f"{body}\n", encoding="utf-8")
    return run


def _take(staged: Path, folder: Path) -> None:
    """Replace the files of an earlier run, the record last; its remaining rows and reports are removed."""
    files = sorted((p for p in staged.rglob("*") if p.is_file()), key=lambda p: p.name == "run.json")
    for file in files:
        sync(file)
    for file in files:
        place = folder / file.relative_to(staged)
        place.parent.mkdir(exist_ok=True)
        file.replace(place)
    sync(folder)
    kept = {file.name for file in files}
    for name in ("items.parquet", "report.html", "report.md", "junit.xml", "pictures.png"):
        if name not in kept:
            (folder / name).unlink(missing_ok=True)


def _write_beside(place: Path, files: Mapping[str, bytes]) -> None:
    """Write the pictures of ``report.html`` that are not embedded in it."""
    for name, content in files.items():
        place.mkdir(exist_ok=True)
        write(place / name, content)


def _clear_beside(place: Path, files: Mapping[str, bytes]) -> None:
    """Remove the pictures of an earlier page."""
    for earlier in place.glob("*"):
        if (
            BESIDE_NAME.fullmatch(earlier.name) and earlier.name not in files
        ):  # the folder may hold files of the user
            earlier.unlink()


def _write(file: Path, text: str) -> None:
    # A name that is not UTF-8 is escaped, as in JSON.
    whole = text if text.endswith("\n") else f"{text}\n"
    write(file, whole.encode("utf-8", errors="backslashreplace"))
