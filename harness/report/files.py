"""What a run leaves in its folder: record, per-item rows, pictures, reports, ``junit.xml``, logs of failures."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.assemble import item_rows
from harness.errors import Exit, HarnessError, UsageError
from harness.items import write_items
from harness.record import Run
from harness.record_file import sealed, to_json
from harness.report import figures, junit, markdown
from harness.store import Store

if TYPE_CHECKING:
    from harness.report.html.context import Context


BESIDE_NAME = re.compile(r"[0-9a-f]{16}\.\w+")
"""What ``report.html`` calls a picture beside it."""


class ReportError(HarnessError):
    """A run's folder cannot be written. What ran is in the store, so running again costs next to nothing."""

    exit = Exit.FAILED


OWN = {
    "run.json",
    "items.parquet",
    "report.html",
    "report-files",
    "report.md",
    "junit.xml",
    "figures",
    "logs",
}
"""What a run leaves in its folder."""


def check_writable(folder: Path) -> None:
    """Fail before an hour of training rather than after it.

    Raises:
        UsageError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"{folder}: no place for a run ({e.strerror})") from None


def check_free(folder: Path) -> None:
    """A run may take the place of another run, and of nothing else.

    Raises:
        UsageError: the folder cannot be made, or holds somebody's own files.
    """
    check_writable(folder)
    foreign = sorted(p.name for p in folder.iterdir() if p.name.removesuffix(".torn") not in OWN)
    if foreign and not (folder / "run.json").is_file():
        raise UsageError(
            f"--out {folder}: holds other files ({foreign[0]}, …); name a new folder, or a run's"
        )


def write_run(run: Run, folder: Path, store: Store, logs: Mapping[str, Path]) -> None:
    """The record, its per-item rows and its pictures, before anything is compared.

    Raises:
        ReportError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in ("items.parquet", "report.html", "report.md", "junit.xml"):
            (folder / leftover).unlink(missing_ok=True)
        if any(r.items for s in run.scores for r in s.repeats):
            write_items(folder / "items.parquet", item_rows(run, store))
        for name, log in logs.items():
            (folder / "logs").mkdir(exist_ok=True)
            shutil.copyfile(log, folder / "logs" / f"{name}.txt")
        _write(
            folder / "run.json",
            json.dumps(sealed(to_json(run)), indent=1, ensure_ascii=False, allow_nan=False),
        )
    except OSError as e:
        raise ReportError(
            f"{folder}: the run cannot be written ({e.strerror}); its results are in the store, run it again"
        ) from None
    for problem in figures.draw(run, folder, store):  # a run has its verdict without its pictures
        print(f"harness: {problem}", file=sys.stderr)


def write_reports(context: Context) -> None:
    """The renderings of a comparison, and the comparison itself in ``run.json``.

    Raises:
        ReportError: the folder cannot be written.
    """
    from harness.report import html  # Jinja: only those who write a page wait for it

    run, comparison, folder = context.run, context.comparison, context.folder
    body = {**sealed(to_json(run)), "comparison": comparison.to_json()}
    try:
        _write(folder / "run.json", json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False))
        text = markdown.render(run, comparison, pictures=figures.drawn(folder), changes=context.changes)
        _write(folder / "report.md", text)
        _write(folder / "junit.xml", junit.render(comparison))
        document = html.render(context)
        _write(folder / "report.html", document.text)
        _write_beside(folder / html.BESIDE, document.beside)
    except OSError as e:
        raise ReportError(f"{folder}: the report cannot be written ({e.strerror})") from None


def _write_beside(place: Path, files: Mapping[str, bytes]) -> None:
    """The pictures of ``report.html`` that it does not hold itself, those of an earlier report removed."""
    for earlier in place.glob("*"):
        if BESIDE_NAME.fullmatch(earlier.name):  # with --out the folder may be somebody's own
            earlier.unlink()
    for name, content in files.items():
        place.mkdir(exist_ok=True)
        (place / name).write_bytes(content)


def _write(file: Path, text: str) -> None:
    torn = file.with_name(file.name + ".torn")
    try:
        torn.write_text(text + ("" if text.endswith("\n") else "\n"), encoding="utf-8")
        torn.replace(file)
    finally:
        torn.unlink(missing_ok=True)  # on a full disk half of a report helps nobody
