"""Baselines: accepted runs under ``baselines/<suite>/<label>.json``, with their per-item rows in a file next to it.

``accept`` makes them, and ``renewal.py`` replaces them by runs with more seeds or recomputed metrics. ``write`` signs
both, so that an edited or foreign file is refused.

A baseline appears whole: the file of its items is named by their digest, and the JSON, which refers to it, is written
last. So a reader of the JSON finds its items even if a writer was killed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from harness.artifact import Json
from harness.compare.match import match, run_differences
from harness.compare.merge_base import MergeBase
from harness.compare.sample import Side
from harness.errors import UsageError
from harness.formats import files, strict_json
from harness.formats.files import opened, read_text, text_of
from harness.formats.strict_json import canonical
from harness.store import locks
from harness.store.environment import DISTRIBUTIONS
from harness.store.items import ItemsReader
from harness.store.record import Accepted, Run, TaskInfo
from harness.store.record_file import LABEL, has_items, items_file, loads, read_items, to_json

FOLDER = PurePosixPath("baselines")
SUITE = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*", re.ASCII)


@dataclass(frozen=True)
class Baseline(Side):
    """An accepted run that can be compared with."""

    where: str = ""
    """Its path, and if it comes from git, the commit."""


def find(project: Path, suite: str, label: str) -> Baseline | None:
    """The baseline of a suite under a label, from the working tree; None if there is none.

    Raises:
        UsageError: a bad label; or the file is unreadable, of another suite, or was edited after it was accepted.
    """
    return read_from(_WorkingTree(project), suite, label)


def read_at(project: Path, ref: str, suite: str, label: str) -> Baseline | None:
    """As ``find``, but at the merge base of ``HEAD`` and a git reference.

    Raises:
        UsageError: as for ``find``; or git has no such reference or no common commit.
    """
    return read_from(MergeBase.find(project, ref), suite, label)


def read_file(file: Path) -> Baseline:
    """A baseline read from its file, in any folder and of any suite; or a run, which has no digest.

    Raises:
        UsageError: the file is unreadable, or is a baseline that was edited after it was accepted.
    """
    text = read_text(file)
    run = loads(text, str(file))
    if run.accepted is None:
        items = read_items(file, run)
    else:
        place = _WorkingTree(file.parent)
        text, run, items = _whole(place, PurePosixPath(file.name), str(file), text, run)
        assert run.accepted is not None
        _check_digest(run.accepted, text, items, str(file))
    return Baseline(run, None if items is None else ItemsReader(items, str(items_file(file, run))), str(file))


def labels(project: Path, suite: str) -> list[str]:
    """The labels under which a suite has baselines in the working tree."""
    return _labels(_WorkingTree(project), suite)


def labels_at(project: Path, ref: str, suite: str) -> list[str]:
    """As ``labels``, at the merge base."""
    return _labels(MergeBase.find(project, ref), suite)


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


def untimed(run: Run) -> list[str]:
    """The metrics that measure times but whose work was not done in this run: their values cannot be compared."""
    return sorted(
        {s.metric for s in run.scores for r in s.repeats if run.metrics[s.metric].timed and not r.clocked}
    )


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock of the baseline ``file`` from reading it to writing it anew.

    Raises:
        UsageError: the baseline's folder cannot be written.
    """
    lock = file.with_name(f".{file.name}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with locks.held(lock):
            yield
    except OSError as e:
        raise UsageError(f"{file}: cannot be written ({e.strerror})") from None


def check_place(file: Path) -> None:
    """Check that a baseline can be written, to fail before an hour of training rather than after it.

    Raises:
        UsageError: the baseline ``file`` cannot be written.
    """
    with locked(file), files.staging(file) as probe:
        (probe / "probe").write_bytes(b"x" * 4096)


def write(file: Path, run: Run, items: bytes | None) -> None:
    """Sign an accepted run and write it as the baseline ``file``, with its items next to it. The caller holds its lock.

    Raises:
        OSError: the files cannot be written; the previous baseline is unchanged.
    """
    run = replace(run, items=None if items is None else sha256(items).hexdigest())
    body = to_json(run)
    body["accepted"]["digest"] = _digest(body, items)
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


class Content(Protocol):
    """Files by their path below the project, from the working tree or from git; None if there is no such file."""

    def read(self, path: PurePosixPath) -> bytes | None: ...


class _Place(Content, Protocol):
    """A source of baselines."""

    def names(self, folder: PurePosixPath) -> list[str]: ...


@dataclass(frozen=True)
class _WorkingTree:
    project: Path

    def read(self, path: PurePosixPath) -> bytes | None:
        try:
            with opened(self.project / path) as content:
                return content.read()
        except FileNotFoundError:
            return None
        except OSError as e:
            raise UsageError(f"{self.project / path}: cannot be read ({e.strerror})") from None

    def names(self, folder: PurePosixPath) -> list[str]:
        place = self.project / folder
        return sorted(p.name for p in place.iterdir()) if place.is_dir() else []

    def __str__(self) -> str:
        return ""


def read_from(place: Content, suite: str, label: str) -> Baseline | None:
    """As ``find``, from any source; errors name it by its ``str``."""
    path = path_of(suite, label)
    where = " at ".join(filter(None, (str(path), str(place))))
    text = _text(place, path, where)
    if text is None:
        return None
    text, run, items = _whole(place, path, where, text, loads(text, where))
    if run.accepted is None:
        raise UsageError(f"{where}: a run, not a baseline; `harness accept` makes one of it")
    if (run.suite, run.accepted.label) != (suite, label):
        theirs = f"{run.suite!r} under the label {run.accepted.label!r}"
        raise UsageError(f"{where}: a foreign baseline, of suite {theirs}")
    _check_digest(run.accepted, text, items, where)
    reader = None if items is None else ItemsReader(items, str(items_file(Path(path), run)))
    return Baseline(run, reader, where)


def _text(place: Content, path: PurePosixPath, where: str) -> str | None:
    content = place.read(path)
    return None if content is None else text_of(content, where)


def _whole(
    place: Content, path: PurePosixPath, where: str, text: str, run: Run
) -> tuple[str, Run, bytes | None]:
    """A baseline with its items. It is read again if another process replaces the baseline meanwhile."""
    while has_items(run):
        items = place.read(PurePosixPath(items_file(Path(path), run)))
        now = text if items is not None else _text(place, path, where)
        if items is not None or now is None or now == text:
            return text, run, items
        text, run = now, loads(now, where)
    return text, run, None


def _check_digest(accepted: Accepted, text: str, items: bytes | None, where: str) -> None:
    if accepted.digest != _digest(strict_json.loads(text, where), items):
        anew = f"accept a run anew: harness accept RUN --label {accepted.label} --new-protocol --reason …"
        raise UsageError(
            f"{where}: it or its items changed after it was accepted; restore it (git checkout) or {anew}"
        )


def _labels(place: _Place, suite: str) -> list[str]:
    names = place.names(path_of(suite, "cpu").parent)
    return sorted(n.removesuffix(".json") for n in names if n.endswith(".json"))


def path_of(suite: str, label: str) -> PurePosixPath:
    """Path relative to the project. Suite and label become folder and file; neither may lead out of ``baselines/``."""
    if not LABEL.fullmatch(label):
        better = re.sub(r"[^a-z0-9._-]+", "-", label.lower()).strip("-._")
        hint = f"; did you mean {better!r}?" if LABEL.fullmatch(better) else ""
        raise UsageError(f"label {label!r}: use small letters, digits and . _ - (at most 64){hint}")
    if not SUITE.fullmatch(suite):
        raise UsageError(f"suite {suite!r}: not a name that a baseline can be kept under")
    return FOLDER / suite / f"{label}.json"


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
        raise UsageError(f"{e}; {replaces}") from None
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


def _digest(body: Mapping[str, Any], items: bytes | None) -> str:
    """Digest of everything in a baseline except the digest itself, and of its items; layout is ignored."""
    unsigned = {**body, "accepted": {**body["accepted"], "digest": ""}}
    content: dict[str, Json] = {
        "record": canonical(unsigned),
        "items": None if items is None else sha256(items).hexdigest(),
    }
    return sha256(f"harness/baseline/1:{canonical(content)}".encode()).hexdigest()
