"""``harness leaderboard``: runs in tables of comparable rows, with tables of published results."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from harness.errors import Exit, UsageError
from harness.evaluation.baseline_choice import side
from harness.evaluation.record_choice import record
from harness.formats import files
from harness.leaderboard import Board, Table
from harness.leaderboard.groups import Entry
from harness.leaderboard.making import tables
from harness.leaderboard.published import published
from harness.report import streams
from harness.report.leaderboard import Places, to_csv, to_document, to_json, to_markdown
from harness.store import project as places
from harness.store import record_file

PUBLISHED = Path("baselines") / "published.yaml"


def main(o: Namespace) -> Exit:
    """``harness leaderboard``."""
    return leaderboard(
        o.runs, to=o.to, paired=o.paired, literature=o.published, compared=o.rows, by=o.by, as_json=o.json
    )


def leaderboard(
    runs: Sequence[str],
    *,
    to: Path | None,
    paired: str | None,
    literature: Path | None,
    compared: str,
    by: str,
    as_json: bool = False,
) -> Exit:
    """Write a board in its four formats.

    Args:
        runs: for each run its folder, id or suite, or a baseline's ``SUITE/LABEL`` or file.
        to: the folder to write to; by default ``reports/leaderboard`` in the project.
        paired: the row to compare all others of its table with.
        literature: a file of published rows, all of which are shown; by default those of the project's file that are
            about data that a run has read.
        compared: axes whose points are compared, separated by commas, besides those of a suite's ``reference``.
        by: ``metric`` or ``metric.field`` to order by, in tables that have it.
        as_json: print the board as JSON, for programs.

    Raises:
        UsageError: a run, an axis, a metric or a row does not exist; the folder cannot be written.
    """
    home = places.of(Path.cwd())
    entries, notes = _entries(runs, home)
    axes = [axis.strip() for axis in compared.split(",") if axis.strip()]
    ours = tables(entries, compared=axes, by=by, paired=paired)
    file = literature or home / PUBLISHED
    theirs = published(file) if literature is not None or file.is_file() else []
    if literature is None:
        theirs = [table for table in theirs if _is_of(table, entries)]
    folder = to or home / "reports" / "leaderboard"
    board = Board((*ours, *theirs), tuple(notes))
    _write(board, folder)
    if as_json:
        streams.document({**to_document(board, Places(folder)), "folder": str(folder)})
        return Exit.OK
    for note in notes:
        streams.say(f"note: {note}")
    for name in ("html", "md", "csv", "json"):
        streams.say(str(folder / f"leaderboard.{name}"))
    return Exit.OK


def _is_of(table: Table, entries: Sequence[Entry]) -> bool:
    """Whether a published table is about data that one of the runs has read."""
    read = {str(s.get("reference", "")).partition("@")[0] for e in entries for s in e.run.sources}
    return not read.isdisjoint(table.data)


def _entries(runs: Sequence[str], home: Path) -> tuple[list[Entry], list[str]]:
    """Return each run once: a baseline and the run that it was made from count as one."""
    found: dict[str, Entry] = {}
    called: dict[str, str] = {}
    notes: list[str] = []
    for text in runs:
        path = record(text, home)
        entry = Entry(side(path), path)
        if entry.run.id in found:
            notes.append(f"{text} is the same run as {called[entry.run.id]}, and is on the board once")
            continue
        found[entry.run.id], called[entry.run.id] = entry, text
        if (path / "run.json").is_file() and not record_file.is_sealed(path):
            notes.append(f"{text} is not as the harness wrote it; somebody edited its figures")
        if not entry.run.scores:
            notes.append(f"{text} has no score")
    return list(found.values()), notes


def _write(board: Board, folder: Path) -> None:
    from harness.report.html import leaderboard as page  # imports jinja2, which nothing else here needs

    leads = Places(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (
            ("html", page.render(board, leads)),
            ("md", to_markdown(board, leads)),
            ("csv", to_csv(board)),
            ("json", to_json(board, leads)),
        ):
            files.write(folder / f"leaderboard.{name}", text)
    except OSError as e:
        raise UsageError(f"{folder}: the leaderboard cannot be written ({e.strerror})") from None
