"""Which baseline a run is held against, and the comparison with it."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness import project as places
from harness import record, suite
from harness.artifact import Json
from harness.assemble import gate_infos
from harness.compare import baseline as baselines
from harness.compare import verdict
from harness.compare.comparison import Comparison
from harness.compare.history import MergeBase
from harness.compare.sample import Side
from harness.environment import device_class
from harness.errors import UsageError, nearest
from harness.items import ItemsReader
from harness.record import GateInfo, Run


@dataclass(frozen=True)
class Against:
    """What to compare with: a label, a file or a run; by default the label of the run's device class."""

    baseline: str | None = None
    ref: str | None = None
    """Take label and gate as they were at the merge base with this git reference."""


def side(path: Path) -> Side:
    """A stored run (or a baseline's file) with its per-item rows."""
    if path.is_file() and path.name != "run.json":
        return baselines.read_file(path)
    items = record.items_file(path)
    return Side(record.load(path), ItemsReader(items) if items.exists() else None)


def judge(folder: Path, project: Path, against: Against, suite_file: Path | None = None) -> Comparison:
    """Compare the run in ``folder`` with what ``against`` names.

    Args:
        folder: of the run.
        project: holds the baselines.
        against: what to compare with.
        suite_file: where the gate is read at ``against.ref``.

    Raises:
        UsageError: what is named is not there or is no baseline.
    """
    candidate = side(folder)
    run = candidate.run
    gates = run.gates if against.ref is None else _gates_at(project, against.ref, suite_file, run)
    if (
        against.baseline is not None
        and against.ref is None
        and not baselines.LABEL.fullmatch(against.baseline)
    ):
        path = places.find_run(against.baseline, project)
        return verdict.compare(candidate, side(path), gates, name=str(path))
    label = against.baseline or label_of(run)
    if against.ref is None:
        found, known = baselines.find(project, run.suite, label), baselines.labels(project, run.suite)
    else:
        found = baselines.read_at(project, against.ref, run.suite, label)
        known = baselines.labels_at(project, against.ref, run.suite)
    if found is None:
        return verdict.compare(
            candidate, None, gates, note=_no_baseline(run, folder, label, known, against.ref)
        )
    return verdict.compare(candidate, found, gates, name=label)


def label_of(run: Run) -> str:
    """The device class that a run ran on."""
    return device_class(run.environments[run.environment])


def within(folder: Path, against: Mapping[str, Json]) -> Comparison:
    """Compare the points of a run with one of its own.

    Raises:
        UsageError: an axis or a value that the run does not have.
    """
    candidate = side(folder)
    run = candidate.run
    axes: dict[str, list[Json]] = {}
    for score in run.scores:
        for name, value in score.point.items():
            values = axes.setdefault(name, [])
            if value not in values:
                values.append(value)
    for name, value in against.items():
        if name not in axes:
            raise UsageError(f"--against {name}: the run has no such axis{nearest(name, axes)}")
        if value not in axes[name]:
            raise UsageError(
                f"--against {name}={value}: not in the run, which has {', '.join(map(str, axes[name]))}"
            )
    findings = verdict.within(candidate, against, run.gates)
    point = ", ".join(f"{name}={value}" for name, value in against.items())
    return Comparison(run.suite, run.id, f"its own {point}", None, "", tuple(findings))


def parse_against(text: str, run: Run) -> dict[str, Json]:
    """``axis=value,…`` with the values spelled as the run has them."""
    spelled = {
        (name, record.canonical(value) if not isinstance(value, str) else value): value
        for score in run.scores
        for name, value in score.point.items()
    }
    point: dict[str, Json] = {}
    for part in text.split(","):
        name, equals, value = (p.strip() for p in part.partition("="))
        if not equals:
            raise UsageError(f"--against: expected axis=value,…, not {part!r}")
        point[name] = spelled.get((name, value), value)
    return point


def _gates_at(project: Path, ref: str, suite_file: Path | None, run: Run) -> Sequence[GateInfo]:
    """The gate of the merge base: a change to the suite cannot loosen what judges it.

    A suite that is new since then has no baseline there either; its own gate changes nothing.
    """
    if suite_file is None:
        raise UsageError("--baseline-ref needs the suite's file: use it with harness run")
    base = MergeBase.find(project, ref)

    def content(path: Path) -> bytes | None:
        try:
            return base.read(PurePosixPath(path.resolve().relative_to(project.resolve())))
        except ValueError:
            raise UsageError(f"{path}: not in the project {project}, so not at {base}") from None

    def read(path: Path) -> str:
        found = content(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, f"not there at {base}")
        return found.decode("utf-8")

    return run.gates if content(suite_file) is None else gate_infos(suite.load(suite_file, read=read))


def _no_baseline(run: Run, folder: Path, label: str, known: Sequence[str], ref: str | None) -> str:
    """Why there is nothing to compare with, and the command that changes that."""
    place = f" at the merge base with {ref}" if ref else ""
    others = f"; there are: {', '.join(known)} (--baseline LABEL compares with one)" if known else ""
    accept = f'harness accept {folder} --label {label} --reason "…"'
    return f"no baseline {label!r} for {run.suite}{place}{others}. If these figures are right: {accept}"
