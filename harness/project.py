"""Where things are: the project's folder, its store, its runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from harness.errors import UsageError


def of(place: Path) -> Path:
    """The nearest folder at or above ``place`` that holds ``suites/``; the working folder where there is none."""
    start = place.resolve()
    for folder in (start, *start.parents):
        if (folder / "suites").is_dir():
            return folder
    return Path.cwd()


def store_root(given: Path | None, project: Path) -> Path:
    """``--store``, else ``HARNESS_STORE``, else ``.harness/`` in the project.

    Raises:
        UsageError: it is there and is no folder.
    """
    named = os.environ.get("HARNESS_STORE")
    folder = given or (Path(named) if named else project / ".harness")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"store {folder}: not a folder")
    return folder


def mirror(given: Path | None) -> Path | None:
    """``--mirror``, else ``HARNESS_MIRROR``, else none.

    Raises:
        UsageError: it is named and is no folder.
    """
    named = os.environ.get("HARNESS_MIRROR")
    folder = given or (Path(named) if named else None)
    if folder is not None and not folder.is_dir():
        raise UsageError(f"mirror {folder}: no such folder")
    return folder


def reports(project: Path, suite: str) -> Path:
    return project / "reports" / suite


def find_run(text: str, project: Path) -> Path:
    """The folder of a run that is given as a folder, a ``run.json``, an id, or a suite's name (its latest run).

    Any other file is taken for a baseline's and returned as it is.

    Raises:
        UsageError: there is none.
    """
    path = Path(text)
    if path.is_file():
        return path.parent if path.name == "run.json" else path
    if (path / "run.json").is_file():
        return path
    runs = {file.parent for file in reports(project, "").glob("**/run.json")}
    named = [r for r in runs if r.name == text]
    of_suite = [r for r in runs if r.parent == reports(project, text)]
    if found := named or sorted(of_suite or [r for r in runs if _suite_of(r) == text], key=_age):
        return found[-1]
    known = ", ".join(r.name for r in sorted(runs, key=_age)[-3:]) or "none yet"
    raise UsageError(f"no run {text!r}: not a run's folder, an id or a suite with runs (latest: {known})")


def _suite_of(run: Path) -> str:
    """By its record: a run that was given a folder of its own does not lie below its suite's name."""
    try:
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(record.get("suite", "")) if isinstance(record, dict) else ""


def _age(run: Path) -> tuple[str, int]:
    """Ids begin with the second of the start; within one, the file's time tells."""
    return run.name[: len("20260304-101500")], (run / "run.json").stat().st_mtime_ns
