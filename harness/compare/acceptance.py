"""Accepting runs: makes a baseline of a run, and replaces one by a run with more seeds or recomputed metrics.

``write`` signs both, so that an edited or foreign file is refused when it is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

from harness.compare.baseline import Baseline, digest_of, path_of
from harness.compare.claim import mixed, mixture
from harness.compare.differences import run_differences
from harness.compare.match import match
from harness.errors import UsageError
from harness.formats import files
from harness.formats.files import read_text
from harness.formats.strict_json import canonical
from harness.store import locks
from harness.store.environment import DISTRIBUTIONS
from harness.store.items import ItemRows, write_items
from harness.store.record import Accepted, Run, TaskInfo
from harness.store.record_file import items_file, loads, read_items, to_json


def accept(
    run: Run, run_folder: Path, project: Path, label: str, reason: str, new_protocol: bool = False
) -> Path:
    """Make a run the baseline of its suite under a label.

    Data that only a report shows is dropped: details, facts, and all of the tasks except what finds their artifacts
    in a store. The run's items are taken from ``run_folder``. With ``new_protocol`` it may replace a baseline whose
    scores mean something else.

    Returns:
        The JSON file that was written.

    Raises:
        UsageError: the label or the reason is not valid; the run is partial, failed or already a baseline; the
            protocol changed; a file cannot be read or written.
    """
    file = project / path_of(run.suite, label)
    if not reason.strip():
        raise UsageError("--reason: say in a few words why these figures are right now")
    _check_acceptable(run)
    items = read_items(run_folder, run)
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    with locked(file):
        if not new_protocol:
            _check_protocol(run, file, label)
        write(file, replace(trimmed(run), accepted=Accepted(label, " ".join(reason.split()), moment)), items)
    return file


def _check_acceptable(run: Run) -> None:
    if run.accepted is not None:
        raise UsageError(f"run {run.id} is already a baseline (label {run.accepted.label!r})")
    if run.only:
        raise UsageError(f"run {run.id} is partial (--only {', '.join(run.only)}); accept a whole one")
    if run.is_calibration:
        raise UsageError(
            f"run {run.id} is one side of a calibration; accept a run of the suite (harness run)"
        )
    if run.failures:
        first = run.failures[0]
        message = (first.error or "no message").partition("\n")[0]
        raise UsageError(
            f"run {run.id}: {len(run.failures)} of its tasks failed, first {first.node}: {message}"
        )
    lacking = sorted({s.metric for s in run.scores if not s.complete})
    if lacking or not run.scores:
        raise UsageError(f"run {run.id}: no values of {', '.join(lacking) or 'any metric'}")


def _check_protocol(run: Run, file: Path, label: str) -> None:
    """Refuse to replace a score by one that means something else."""
    if not file.exists():
        return
    replaces = "say --new-protocol to replace it"
    try:
        # Not ``find``: accepting a new run must still work if the old baseline's digest no longer matches.
        before = loads(read_text(file), str(file))
    except UsageError as e:
        raise UsageError(str(e) if file.is_dir() else f"{e}; {replaces}") from None
    found = run_differences(run, before, match(run, before).pairs)
    changed = list({d.field: d for d in reversed(found)}.values())[::-1]
    if changed:
        told = "; ".join(map(str, changed[:5]))
        rest = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise UsageError(f"the protocol differs from the baseline {label!r} ({told}{rest}); {replaces}")


def trimmed(run: Run) -> Run:
    scores = tuple(
        replace(s, repeats=tuple(replace(r, details={}) for r in s.repeats))
        for s in sorted(run.scores, key=lambda s: (s.metric, canonical(s.point)))
    )
    tasks = tuple(
        TaskInfo(t.node, t.key, t.point, t.seeds, state="cached", wall_s=0.0)
        for t in sorted(run.tasks, key=lambda t: (t.node, canonical(t.point), canonical(t.seeds)))
        if t.node not in run.metrics
    )
    used = {run.environment, *(e for s in scores for r in s.repeats for e in r.environments)}
    environments = {name: e for name, e in run.environments.items() if name in used}
    digests = {e.get(DISTRIBUTIONS) for e in environments.values()}
    distributions = {digest: listed for digest, listed in run.distributions.items() if digest in digests}
    return replace(run, scores=scores, tasks=tasks, environments=environments, distributions=distributions)


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
    with locked(file):
        now = loads(read_text(file), str(file)).accepted
        if now is None or now.digest != accepted.digest:
            raise UsageError(f"{file}: another process has written it meanwhile; start again")
        write(file, trimmed(replace(run, accepted=renewed)), items)


def _bytes(rows: Iterable[ItemRows]) -> bytes:
    with NamedTemporaryFile() as file:
        write_items(Path(file.name), rows)
        return file.read()


def untimed(run: Run) -> list[str]:
    """The metrics that measure times but whose work was not done in this run: their values cannot be compared."""
    return sorted(
        {s.metric for s in run.scores for r in s.repeats if run.metrics[s.metric].timed and not r.clocked}
    )


def check_place(file: Path) -> None:
    """Check that a baseline can be written, to fail before an hour of training rather than after it.

    Raises:
        UsageError: the baseline ``file`` cannot be written.
    """
    with locked(file), files.staging(file) as probe:
        (probe / file.name).write_bytes(bytes(4096))


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock of the baseline ``file`` from reading it to writing it anew.

    Raises:
        UsageError: the baseline's folder cannot be written.
    """
    lock = file.with_name(f".{file.name}.lock")
    if file.is_symlink():
        raise UsageError(f"{file}: a link, by which another file would be written; remove it first")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with locks.held(lock):
            yield
    except OSError as e:
        raise UsageError(f"{file}: cannot be written ({e.strerror})") from None


def write(file: Path, run: Run, items: bytes | None) -> None:
    """Sign an accepted run and write it as the baseline ``file``, with its items next to it. The caller holds its lock.

    Raises:
        UsageError: its repeats rest on different executions of one stage.
        OSError: the files cannot be written; the previous baseline is unchanged.
    """
    if names := mixed(run.scores):
        raise UsageError(f"not accepted: {mixture(names, 'the run')}")
    run = replace(run, items=None if items is None else sha256(items).hexdigest())
    body = to_json(run)
    body["accepted"]["digest"] = digest_of(body, items)
    text = json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    if items is not None:
        files.write(items_file(file, run), items)
    try:
        files.write(file, text)
    finally:
        _remove_other_items(file)


def _remove_other_items(file: Path) -> None:
    """Remove items that the present JSON does not refer to, left by earlier baselines and killed writers."""
    try:
        own = items_file(file, loads(read_text(file), str(file))) if file.exists() else None
    except UsageError:  # it is not known which are needed
        return
    of_label = re.compile(
        rf"\.?{re.escape(file.stem)}(\.[0-9a-f]{{12}})?\.items\.parquet(\.[0-9a-f]{{16}}\.torn)?"
    )
    for path in file.parent.iterdir():
        if path == own or not of_label.fullmatch(path.name):
            continue
        # It belongs to a label that ends like a digest, accepted before items were named by their digest.
        other = path.with_name(f"{path.name.removesuffix('.items.parquet')}.json")
        if files.is_torn(path):
            files.remove_abandoned(path)
        elif other == file or not other.exists():
            path.unlink(missing_ok=True)
