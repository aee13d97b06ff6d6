"""Replaces a baseline by one with more seeds or with recomputed metrics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from harness.compare import baseline as baselines
from harness.compare.baseline import Baseline
from harness.errors import UsageError, nearest
from harness.formats.files import read_text
from harness.store.items import ItemRows, write_items
from harness.store.record import Accepted, Run
from harness.store.record_file import LABEL, loads


def named(text: str, project: Path) -> tuple[Baseline, Path]:
    """The baseline that ``SUITE/LABEL`` or a file names, and its file.

    Raises:
        UsageError: there is no such baseline; the file is a run; or it was edited after it was accepted.
    """
    path = Path(text)
    if path.is_file():
        found = baselines.read_file(path)
        if found.run.accepted is None:
            raise UsageError(f"{text}: a run, not a baseline; `harness accept` makes one of it")
        return found, path
    suite, slash, label = text.removesuffix(".json").removeprefix(f"{baselines.FOLDER}/").rpartition("/")
    if slash and baselines.SUITE.fullmatch(suite) and LABEL.fullmatch(label):
        found_there = baselines.find(project, suite, label)
        if found_there is not None:
            return found_there, project / baselines.path_of(suite, label)
    known = sorted(_known(project))
    listed = f"there are {', '.join(known[:8])}" if known else "there is none yet"
    raise UsageError(f"no baseline {text!r}: expected SUITE/LABEL or a file; {listed}{nearest(text, known)}")


def _known(project: Path) -> Iterable[str]:
    home = project / baselines.FOLDER
    for file in home.rglob("*.json"):
        yield str(PurePosixPath(file.relative_to(home)).with_suffix(""))


def renew(before: Baseline, file: Path, run: Run, rows: Iterable[ItemRows], *, reason: str, at: str) -> None:
    """Write ``run`` in place of the baseline ``before``.

    Args:
        before: the baseline as it was read.
        file: the file that it was read from.
        run: the whole new record; it keeps the label of ``before``.
        rows: all per-item rows of the new record.
        reason: why the new figures are right.
        at: when they were accepted, ISO 8601.

    Raises:
        UsageError: another process has written the file meanwhile; a score lacks values; the file cannot be written.
    """
    accepted = before.run.accepted
    assert accepted is not None
    lacking = sorted({s.metric for s in run.scores if not s.complete})
    if lacking:
        raise UsageError(f"{file}: no values of {', '.join(lacking)}; it stays as it was")
    has_items = any(r.items for s in run.scores for r in s.repeats)
    items = _bytes(rows) if has_items else None
    renewed = Accepted(accepted.label, " ".join(reason.split()), at)
    with baselines.locked(file):
        now = loads(read_text(file), str(file)).accepted
        if now is None or now.digest != accepted.digest:
            raise UsageError(f"{file}: another process has written it meanwhile; start again")
        baselines.write(file, baselines.trimmed(replace(run, accepted=renewed)), items)


def _bytes(rows: Iterable[ItemRows]) -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "items.parquet"
        write_items(file, rows)
        return file.read_bytes()
