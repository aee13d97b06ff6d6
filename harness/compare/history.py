"""The accepted values of a suite over time: the history of its baseline in git."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from harness.compare import Difference
from harness.compare import baseline as baselines
from harness.compare.baseline import Baseline
from harness.compare.differences import differences, environment_differences, run_differences
from harness.compare.match import Pair, match
from harness.compare.sample import Side
from harness.errors import UsageError
from harness.store.items import ItemsReader
from harness.store.record import Run, Score
from harness.store.record_file import has_items, items_file, loads


@dataclass(frozen=True)
class Step:
    """One accepted run of a suite under a label."""

    run: Run
    """The run as it was accepted; ``run.accepted`` has the time and the reason."""
    commit: str
    """The commit that added it; empty if it is only in the working tree."""
    subject: str
    """First line of the commit's message."""
    protocol: tuple[Difference, ...]
    """What changed in the protocols since the previous step; values cannot be compared across such a change."""
    settings: tuple[Difference, ...]
    """What changed elsewhere in the suite: the subject's own stages and parameters."""
    environment: tuple[Difference, ...]
    """What changed in the environment: versions, device, image."""
    items: ItemsReader | None = None
    """Reader of its per-item rows."""

    @property
    def side(self) -> Side:
        """The step as a side of a comparison."""
        return Side(self.run, self.items)


@dataclass(frozen=True)
class Trend:
    """The accepted runs of a suite under a label, oldest first."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    """What is left out and why, one line each: versions that cannot be read, a clone without history."""


def accepted(project: Path, suite: str, label: str) -> list[Step]:
    """Like ``read``, but skips unreadable steps without a note."""
    return list(read(project, suite, label).steps)


def read(project: Path, suite: str, label: str) -> Trend:
    """Every version of ``baselines/<suite>/<label>.json`` that git has, and the working tree's if it differs.

    A version that this harness cannot read, or that was edited after it was accepted, is left out and noted. The next
    step is then compared with the last one that could be read.

    Raises:
        UsageError: suite or label is not a name that a baseline can have.
    """
    path = baselines.path_of(suite, label)
    versions, notes = _versions(project, path)
    steps: list[Step] = []
    for version in versions:
        try:
            found = baselines.read_from(version, suite, label)
        except UsageError as e:
            notes.append(f"left out: {e}")
            continue
        if found is None:
            notes.append(f"{path}: removed at {version}")
        elif not steps or found.run.accepted != steps[-1].run.accepted:
            steps.append(_step(found, steps[-1].run if steps else None, version.commit, version.subject))
    try:
        here = baselines.find(project, suite, label)
    except UsageError as e:
        notes.append(f"left out: {e} (in the working tree)")
        here = None
    if here is not None and all(here.run.accepted != s.run.accepted for s in steps[-1:]):
        steps.append(_step(here, steps[-1].run if steps else None, "", ""))
    return Trend(tuple(steps), tuple(notes))


@dataclass(frozen=True)
class _Version:
    """The baseline's files at one commit."""

    commit: str
    subject: str
    files: Mapping[PurePosixPath, bytes]

    def read(self, path: PurePosixPath) -> bytes | None:
        return self.files.get(path)

    def __str__(self) -> str:
        return self.commit[:10]


def _versions(project: Path, path: PurePosixPath) -> tuple[list[_Version], list[str]]:
    """The commits that changed a file, oldest first; and notes on why some or all are missing."""
    try:
        log = _git(
            project, ["log", "--reverse", "--topo-order", "--no-renames", "--format=%H %s", "--", f"./{path}"]
        )
        if log.returncode:
            problem = log.stderr.decode(errors="replace").strip().partition("\n")[0]
            return [], [f"no history: {project} is no repository that git can read ({problem})"]
        shallow = _git(project, ["rev-parse", "--is-shallow-repository"])
        commits = [line.partition(" ")[::2] for line in log.stdout.decode(errors="replace").splitlines()]
        records = _read(project, [(commit, path) for commit, _ in commits])
        items = {commit: _items_path(path, content) for (commit, _), content in records.items()}
        rows = _read(project, [(commit, place) for commit, place in items.items() if place is not None])
        versions = [
            _Version(commit, subject, {p: c for (at, p), c in (records | rows).items() if at == commit})
            for commit, subject in commits
        ]
    except FileNotFoundError:
        return [], ["no history: git is not installed"]
    cut = "the clone is shallow: what was accepted before is not in it (git fetch --unshallow brings it)"
    return versions, [cut] if shallow.stdout.strip() == b"true" else []


def _items_path(path: PurePosixPath, content: bytes) -> PurePosixPath | None:
    """The path of the items of a version of a baseline; None if it has none or cannot be read."""
    try:
        run = loads(content.decode("utf-8"), str(path))
    except (UnicodeDecodeError, UsageError):
        return None
    return PurePosixPath(items_file(Path(path), run)) if has_items(run) else None


def _read(
    project: Path, wanted: Sequence[tuple[str, PurePosixPath]]
) -> dict[tuple[str, PurePosixPath], bytes]:
    """Read files at commits by one call of git, with the filters of a checkout, as for large files."""
    prefix = _git(project, ["rev-parse", "--show-prefix"]).stdout.decode(errors="replace").strip()
    asked = "".join(f"{commit}:./{path} {prefix}{path}\n" for commit, path in wanted)
    stream = _git(project, ["cat-file", "--batch", "--filters"], asked.encode()).stdout
    files: dict[tuple[str, PurePosixPath], bytes] = {}
    start = 0
    for commit, path in wanted:
        end = stream.find(b"\n", start)
        head = stream[start:end].split(b" ")
        start = end + 1
        if len(head) == 3 and head[1] == b"blob":
            size = int(head[2])
            files[commit, path] = stream[start : start + size]
            start += size + 1
    return files


def _git(project: Path, arguments: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = ["git", "-C", str(project), "-c", "log.showSignature=false", *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=False)


def _step(found: Baseline, before: Run | None, commit: str, subject: str) -> Step:
    run = found.run
    if before is None:
        return Step(run, commit, subject, (), (), (), found.items)
    pairs = match(run, before).pairs
    protocol = run_differences(run, before, pairs)
    settings = _unique(
        d
        for p in map(_without_protocol, pairs)
        for d in differences(p.candidate, p.baseline, run.defaults, before.defaults)
    )
    ours, theirs = run.environments.values(), before.environments.values()
    elsewhere = environment_differences(ours, theirs, {**run.distributions, **before.distributions})
    return Step(run, commit, subject, protocol, settings, elsewhere, found.items)


def _without_protocol(pair: Pair) -> Pair:
    """The pair with only those settings as its protocol that are in neither side's protocol."""
    known = pair.candidate.protocol.keys() | pair.baseline.protocol.keys()
    return Pair(*(_only_other(score, known) for score in (pair.candidate, pair.baseline)))


def _only_other(score: Score, known: Iterable[str]) -> Score:
    other = {name: value for name, value in score.settings.items() if name not in set(known)}
    return replace(score, protocol=other, repeats=())


def _unique(found: Iterable[Difference]) -> tuple[Difference, ...]:
    return tuple({str(d): d for d in found}.values())
