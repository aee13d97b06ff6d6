"""Where things are: the project's folder, its store, its runs."""

from __future__ import annotations

import os
from pathlib import Path

from harness import runs
from harness.errors import UsageError
from harness.unclean import is_utf8


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
        UsageError: it is there and is no folder, or its path is no UTF-8.
    """
    named = os.environ.get("HARNESS_STORE")
    folder = given or (Path(named) if named else project / ".harness")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"store {folder}: not a folder")
    if not is_utf8(str(folder.absolute())):  # the libraries of most stages write no other
        raise UsageError(
            f"store {folder}: a path that is no UTF-8; name another, with --store or HARNESS_STORE"
        )
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


def reports(project: Path, suite: str = "") -> Path:
    """Where the runs of a suite, or of all of them, are."""
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
    found = runs.folders(reports(project))
    named = [r for r in found if r.name == text]
    of_suite = [r for r in found if _suite_of(r, project) == text]
    if chosen := named or of_suite:
        return chosen[-1]
    known = ", ".join(r.name for r in found[-3:]) or "none yet"
    raise UsageError(f"no run {text!r}: not a run's folder, an id or a suite with runs (latest: {known})")


def _suite_of(run: Path, project: Path) -> str:
    """By its place, or its record: a run that was given a folder of its own is not below its suite's name."""
    if runs.is_id(run.name):
        return run.parent.relative_to(reports(project)).as_posix()
    return str(runs.record(run).get("suite", ""))
