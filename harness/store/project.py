"""Paths of the project: its folder, its store, its runs, and the order of its runs.

A run's id is ``<moment>-<number>-<random>``: ``20260304-101500-0012-5f0c9a3e``. The number is reserved by the exclusive
creation of an empty file, so two runs never share one. It grows as long as the project still has one of its runs or the
folder of numbers. The id names the run's folder, so copies keep their order.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import UsageError, nearest
from harness.formats import strict_json
from harness.formats.escapes import is_utf8
from harness.formats.files import expanded, files_below, is_torn
from harness.store.record import CALIBRATION

NUMBERS = ".numbers"
"""Folder below ``reports/`` with the last reserved numbers."""
KEPT = 100
"""How many numbers are kept there: enough that runs that begin together get different ones."""

_ID = re.compile(r"(?P<moment>\d{8}-\d{6})-(?P<number>\d{4,})-[0-9a-f]{8}")


def new_id(reports: Path, moment: datetime | None = None) -> str:
    """A new id for a run that begins now.

    Args:
        reports: the project's folder of runs.
        moment: the time by the clock; it is only for people to read.
    """
    moment = moment or datetime.now(UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{_number(reports):04}-{secrets.token_hex(4)}"


def order(run_id: str) -> tuple[int, str]:
    """Sort key for the ids of runs, oldest first. An id without a number is older than all that have one."""
    found = _ID.fullmatch(run_id)
    return (int(found["number"]), found["moment"]) if found else (0, run_id)


def is_id(name: str) -> bool:
    """Whether a folder's name is a run id."""
    return _ID.fullmatch(name) is not None


def folders(reports: Path) -> list[Path]:
    """The folders of runs, oldest first. The sides of a calibration are no runs of the suite."""
    found = {file.parent for file in _records(reports) if not _is_calibration(file.parent)}
    return sorted(found, key=lambda folder: (order(_id_of(folder)), folder))


def _id_of(folder: Path) -> str:
    """The run id from the folder's name, or from the record if the run's folder was chosen by the user."""
    if is_id(folder.name):
        return folder.name
    return str(record(folder).get("id", folder.name))


def _is_calibration(folder: Path) -> bool:
    if is_id(folder.name):  # `calibrate` names folders otherwise
        return False
    provenance = record(folder).get("provenance")
    return isinstance(provenance, dict) and CALIBRATION in provenance


def record(folder: Path) -> dict[str, object]:
    """The record of a run, unchecked; empty if it cannot be read."""
    try:
        body = strict_json.read(folder / "run.json")
    except UsageError:
        return {}
    return body if isinstance(body, dict) else {}


def _number(reports: Path) -> int:
    """The next number; 0 if the folder cannot be written, and then only the clock gives the order."""
    place = reports / NUMBERS
    try:
        place.mkdir(parents=True, exist_ok=True)
        while True:
            given = _given(place)
            number = max(given, default=max(_seen(reports), default=0)) + 1
            with contextlib.suppress(FileExistsError):
                (place / str(number)).touch(exist_ok=False)
                if max(_given(place), default=number) < number + KEPT:
                    break
                # An old number that was given and removed since we looked. Others remove old numbers, too.
                (place / str(number)).unlink(missing_ok=True)
    except OSError:
        return 0
    for old in given:
        if old <= number - KEPT:
            with contextlib.suppress(OSError):  # one more number that is kept does no harm
                (place / str(old)).unlink()
    return number


def _given(place: Path) -> list[int]:
    return [int(file.name) for file in place.iterdir() if file.name.isdecimal()]


def _seen(reports: Path) -> Iterator[int]:
    """The numbers of the existing runs, for a project whose folder of numbers is gone."""
    for file in _records(reports):
        yield order(_id_of(file.parent))[0]


def _records(reports: Path) -> Iterator[Path]:
    """The ``run.json`` of each run; a folder that cannot be listed is left out."""
    for file in files_below(reports, lambda _: None):
        if file.name == "run.json" and not is_torn(file.relative_to(reports)):
            yield file


def of(place: Path) -> Path:
    """The nearest folder at or above ``place`` that contains ``suites/``; the working folder if there is none."""
    start = place.resolve()
    for folder in (start, *start.parents):
        if (folder / "suites").is_dir():
            return folder
    return Path.cwd()


def of_run(run: Path) -> Path:
    """The project that a run's folder is in; if it is in none, that of the working folder."""
    start = run.resolve()
    found = next((p for p in (start, *start.parents) if (p / "suites").is_dir()), None)
    return found or of(Path.cwd())


def store_root(given: Path | None, project: Path) -> Path:
    """The store's folder: ``--store``, else the folder of ``HARNESS_STORE``, else ``.harness/`` in the project.

    Raises:
        UsageError: the path is a URL, exists and is not a folder, or is not UTF-8.
    """
    named = os.environ.get("HARNESS_STORE", "").partition(",")[0]
    if given is None and named and ("://" in named or named.startswith("ro:") or not named.strip()):
        raise UsageError(
            f"HARNESS_STORE={named}: expected FOLDER or FOLDER,URL, as in /store,s3://bucket/harness"
        )
    folder = given or (expanded(Path(named)) if named else project / ".harness")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"store {folder}: not a folder")
    if not is_utf8(str(folder.absolute())):  # the libraries of most stages cannot write to other paths
        raise UsageError(
            f"store {folder}: a path that is no UTF-8; name another, with --store or HARNESS_STORE"
        )
    return folder


def mirror(given: Path | None) -> Path | None:
    """The mirror's folder: ``--mirror``, else ``HARNESS_MIRROR``; None if neither is given.

    Raises:
        UsageError: the named path is not a folder.
    """
    named = os.environ.get("HARNESS_MIRROR")
    folder = given or (expanded(Path(named)) if named else None)
    if folder is not None and not folder.is_dir():
        raise UsageError(f"mirror {folder}: no such folder")
    return folder


def reports(project: Path, suite: str = "") -> Path:
    """The folder of the runs of a suite, or of all suites."""
    return project / "reports" / suite


def find_run(text: str, project: Path) -> Path:
    """The folder of a run, given as a folder, a ``run.json``, an id, or a suite's name (its latest run).

    Any other file is treated as a baseline and returned as it is.

    Raises:
        UsageError: there is no such run.
    """
    path = Path(text)
    if os.path.isfile(path):
        return path.parent if path.name == "run.json" else path
    if os.path.isfile(path / "run.json"):
        return path
    found = folders(reports(project))
    named = [r for r in found if r.name == text]
    of_suite = [r for r in found if _suite_of(r, project) == text]
    if chosen := named or of_suite:
        return chosen[-1]
    known = ", ".join(r.name for r in found[-3:]) or "none yet"
    close = nearest(text, {_suite_of(run, project) for run in found})
    raise UsageError(
        f"no run {text!r}: not a run's folder, an id or a suite with runs (latest: {known}){close}"
    )


def _suite_of(run: Path, project: Path) -> str:
    """The suite of a run by its folder, or by its record if the run's folder was chosen by the user."""
    if is_id(run.name):
        return run.parent.relative_to(reports(project)).as_posix()
    return str(record(run).get("suite", ""))
