"""``gate.json``: which suites a gate ran, and the folders of their runs below its own; read with distrust.

A pull request's own code may have written the file and the records, so that nothing in them names a path elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.compare import stored
from harness.errors import UsageError
from harness.formats import files, strict_json
from harness.report.comment import Judged
from harness.store import record_file

FILE = "gate.json"
SHEET = "pictures.png"
SCHEMA = "harness.gate/1"
REMOVED = "the change removes this suite, which the merge base has"
MOST_SUITES = 200
MOST_BYTES = 200_000_000
"""Largest record that is read."""
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


@dataclass(frozen=True)
class Entry:
    """A suite that was run."""

    suite: str
    """Its file."""
    folder: str
    """Name of the run's folder; empty if the change removes the suite."""
    word: str
    """The outcome in a word; ``error`` if the run left no verdict."""
    exit: int
    """Exit code of ``harness run``."""


def write(folder: Path, entries: Sequence[Entry]) -> None:
    """Write the file.

    Raises:
        UsageError: it cannot be written.
    """
    body = {"schema": SCHEMA, "runs": [asdict(entry) for entry in entries]}
    try:
        files.write(folder / FILE, json.dumps(body, indent=1) + "\n")
    except OSError as e:
        raise UsageError(f"{folder}: cannot be written ({e.strerror})") from None


def read(folder: Path) -> list[Judged]:
    """Read the file and the records that it names; a record that cannot be used becomes the suite's problem.

    Raises:
        UsageError: the file is there and not as ``write`` leaves it.
    """
    file = folder / FILE
    if not file.exists():
        return []
    _check_plain(file)
    body = strict_json.read(file)
    try:
        if body["schema"] != SCHEMA:
            raise UsageError(f"{file}: schema {body['schema']}, expected {SCHEMA}")
        entries = [strict_json.checked(Entry(**entry), f"{file}: runs") for entry in body["runs"]]
    except (KeyError, TypeError):
        raise UsageError(f"{file}: not as 'harness ci gate' writes it") from None
    if len(entries) > MOST_SUITES:
        raise UsageError(f"{file}: {len(entries):,} suites; the most are {MOST_SUITES}")
    return [_judged(folder, entry) for entry in entries]


def judged(suite: str, folder: Path) -> Judged:
    """The verdict in a run's folder.

    Raises:
        UsageError: there is no record or no verdict, or it is damaged.
    """
    record = folder / "run.json"
    _check_plain(record)
    run = record_file.load(folder)
    comparison = stored(folder, run)
    if comparison is None:
        raise UsageError(f"{record}: no verdict")
    return Judged(suite, run, comparison)


def _judged(folder: Path, entry: Entry) -> Judged:
    if entry.word == "missing" and not entry.folder:
        return Judged(entry.suite, problem=REMOVED, without="missing")
    if entry.word == "error":
        return Judged(entry.suite, problem=f"no verdict: exit code {entry.exit}; the log says why")
    if not _FOLDER.fullmatch(entry.folder):
        raise UsageError(f"{folder / FILE}: {entry.folder!r} is not the name of a run's folder")
    try:
        found = judged(entry.suite, folder / entry.folder)
        sheet = f"{entry.folder}/{SHEET}"  # a plain name: nothing in it needs to be encoded
        return replace(found, picture=sheet) if (folder / sheet).is_file() else found
    except UsageError as e:
        return Judged(entry.suite, problem=str(e).replace(f"{folder}/", ""))


def _check_plain(file: Path) -> None:
    """Check that it is a file of its own, and not too large to read.

    Raises:
        UsageError: it is not.
    """
    if file.is_symlink() or file.parent.is_symlink() or not file.is_file():
        raise UsageError(f"{file}: no such file")
    if file.stat().st_size > MOST_BYTES:
        raise UsageError(f"{file}: larger than {MOST_BYTES / 1e6:.0f} MB")
