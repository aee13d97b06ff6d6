"""Chooses the baseline of a run and compares the run with it, or with a baseline as of the merge base of a branch.

At a merge base, gates and reference are those of the suite there. A suite is known by its name, as its baselines are:
its file may have been moved, or another file may now have its name.
"""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from harness import suite
from harness.artifact import Json
from harness.compare import Comparison, verdict
from harness.compare import baseline as baselines
from harness.compare.baseline import MergeBase
from harness.compare.sample import Side
from harness.engine.recording import gate_infos, reference_json
from harness.engine.suite_sources import with_absolute_paths
from harness.errors import SuiteError, UsageError, nearest
from harness.formats.files import text_of
from harness.formats.strict_json import canonical
from harness.report import streams
from harness.store import project as places
from harness.store import record_file
from harness.store.environment import device_class, environment
from harness.store.items import ItemsReader
from harness.store.record import GateInfo, Run
from harness.suite import Suite
from harness.suite.located_yaml import Scalar, load

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Against:
    """What to compare with: a label, a file or a run; by default the label of the run's device class."""

    baseline: str | None = None
    ref: str | None = None
    """Use the label, the gate and the reference as of the merge base with this git reference."""


@dataclass(frozen=True)
class Case:
    """A comparison and its two sides."""

    comparison: Comparison
    candidate: Side
    baseline: Side | None
    """None if there is none."""


def side(path: Path) -> Side:
    """Read a stored run (or a baseline's file) with its per-item rows."""
    if path.is_file() and path.name != "run.json":
        return baselines.read_file(path)
    run = record_file.load(path)
    items = record_file.read_items(path, run)
    name = str(record_file.items_file(path, run))
    return Side(run, None if items is None else ItemsReader(items, name))


def warn_of_edits(path: Path) -> None:
    """Warn if a run's record is not as the harness wrote it; a baseline that was edited is refused when it is read."""
    file = path / "run.json" if path.is_dir() else path
    if file.name == "run.json" and not record_file.is_sealed(file):
        streams.warn(f"{path}: not as the harness wrote it; somebody edited its figures")


def judge(folder: Path, project: Path, against: Against, suite_file: Path | None = None) -> Comparison:
    """Like ``case``, but return only the comparison."""
    return case(folder, project, against, suite_file).comparison


def case(folder: Path, project: Path, against: Against, suite_file: Path | None = None) -> Case:
    """Compare the run in ``folder`` with what ``against`` names.

    Args:
        folder: folder of the run.
        project: project folder that holds the baselines.
        against: what to compare with.
        suite_file: file of the suite; its gate and its reference are read at ``against.ref``.

    Raises:
        UsageError: what ``against`` names does not exist or is not a baseline.
    """
    candidate = side(folder)
    warn_of_edits(folder)
    run = candidate.run
    gates, seeds = run.gates, {}
    reference: Mapping[str, Json] | None = None  # the run's own
    if against.ref is not None:
        approved = _approved(project, against.ref, run.suite, suite_file)
        if approved is not None and suite_file is not None:
            gates, reference = _declared(approved, suite_file, run)
            seeds = {axis.field: axis.values for axis in approved.seeds}
    label = against.baseline or label_of(run)
    found, name = opponent(project, against, run.suite, label)
    if found is not None and found.run.accepted is None:
        warn_of_edits(Path(name))
    note = "" if found else _no_baseline(run, folder, project, label, against.ref)
    compared = verdict.compare(
        candidate, found, gates, reference=reference, seeds=seeds, name=name, note=note
    )
    return Case(compared, candidate, found)


def check(project: Path, against: Against, suite_name: str, suite_file: Path) -> None:
    """Check before anything runs whether ``judge`` will work.

    Raises:
        UsageError: as ``judge`` would.
    """
    if against.ref is not None:
        _approved(project, against.ref, suite_name, suite_file)
    opponent(project, against, suite_name, against.baseline or device_class(environment()))


def opponent(project: Path, against: Against, suite_name: str, label: str) -> tuple[Side | None, str]:
    """Return the other side and its name: the baseline with the label, else the file or the run.

    Raises:
        UsageError: a baseline that changed since it was accepted; a name that matches nothing.
    """
    if against.ref is not None:
        return baselines.read_at(project, against.ref, suite_name, label), label
    is_label = record_file.LABEL.fullmatch(label) is not None
    found = baselines.find(project, suite_name, label) if is_label else None
    if found is not None or against.baseline is None:
        return found, label
    try:
        path = places.find_run(label, project)
    except UsageError:
        if is_label and not label.endswith(".json"):
            return None, label  # a baseline may still be accepted under this label
        known = baselines.labels(project, suite_name)
        there = f"whose labels are {', '.join(known)}" if known else "which has no baseline yet"
        close = nearest(label, known)
        raise UsageError(
            f"no baseline {label!r}: not a label of {suite_name} ({there}), a file, or a run{close}"
        ) from None
    return side(path), str(path)


def label_of(run: Run) -> str:
    """Return the device class that a run ran on."""
    return device_class(run.environments[run.environment])


def within(folder: Path, against: Mapping[str, Json]) -> Comparison:
    """Compare the points of a run with one point of the same run.

    Raises:
        UsageError: an axis or a value that the run does not have.
    """
    candidate = side(folder)
    warn_of_edits(folder)
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
    return Comparison(run.suite, run.id, f"its own {point}", None, "", tuple(findings), looks=run.looks)


def parse_against(text: str, run: Run) -> dict[str, Json]:
    """Parse ``axis=value,…``; values are those of the run."""
    spelled = {
        (name, canonical(value) if not isinstance(value, str) else value): value
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


def _approved(project: Path, ref: str, name: str, suite_file: Path | None) -> Suite | None:
    """Return the suite as of the merge base, so that a change to it cannot loosen what it is judged by.

    A suite that was added since then has no baseline at the merge base either, so using its own gates changes nothing.
    """
    if suite_file is None:
        raise UsageError("--baseline-ref needs the suite's file: use it with harness run")
    return suite_at(project, ref, name, suite_file)


def gates_of(bound: Suite, against: Against, suite_file: Path) -> tuple[GateInfo, ...]:
    """The gates that will be judged: the suite's own, or under a reference those of the merge base."""
    if against.ref is None:
        return gate_infos(bound)
    approved = _approved(bound.project, against.ref, bound.name, suite_file)
    return gate_infos(bound if approved is None else with_absolute_paths(approved))


def _declared(approved: Suite, suite_file: Path, run: Run) -> tuple[tuple[GateInfo, ...], Mapping[str, Json]]:
    """Return gates and reference of a suite at the merge base, with their points in the values of the run.

    A run has the content of what its axes name. It lacks the axes that ``--set`` reduced to one value.
    """
    approved, now = (with_absolute_paths(s) for s in (approved, suite.load(suite_file)))
    swept = {axis.field: axis.values for axis in now.matrix}
    ran: Mapping[str, Any] = run.declaration["matrix"]  # type: ignore[assignment]

    def recorded(point: Mapping[str, Any], plain: Mapping[str, Json]) -> dict[str, Json]:
        found = dict(plain)
        for name, value in point.items():
            values, written = swept.get(name, ()), ran.get(name, [])
            if value in values and len(values) == len(written):
                found[name] = written[values.index(value)]
        return found

    infos = zip(approved.gates, gate_infos(approved), strict=True)
    gates = tuple(replace(info, at=recorded(gate.at, info.at)) for gate, info in infos)
    reference = recorded(approved.reference, reference_json(approved))
    return gates, {n: v for n, v in reference.items() if n in ran or n not in swept}


def _no_baseline(run: Run, folder: Path, project: Path, label: str, ref: str | None) -> str:
    """Explain why there is nothing to compare with, and name the command that changes that."""
    if not run.is_complete or run.is_calibration:
        what = "one side of a calibration" if run.is_calibration else "a partial or failed run"
        return f"no baseline {label!r} for {run.suite}, and {what} cannot become one"
    known = (
        baselines.labels(project, run.suite) if ref is None else baselines.labels_at(project, ref, run.suite)
    )
    place = f" at the merge base with {ref}" if ref else ""
    others = f"; there are: {', '.join(known)} (--baseline LABEL compares with one)" if known else ""
    if ref is not None:
        return (
            f"no baseline {label!r} for {run.suite}{place}{others}: nothing there says what is right, so nothing is "
            "judged; a baseline that this branch adds counts once it is merged"
        )
    short = places.reports(places.of(Path.cwd()), run.suite) / run.id
    named = run.id if short.resolve() == folder.resolve() else shlex.quote(str(folder))
    option = "" if label == label_of(run) else f" --label {label}"
    accept = f'harness accept {named}{option} --reason "…"'
    return f"no baseline {label!r} for {run.suite}{place}{others}. If these figures are right: {accept}"


def suite_at(project: Path, ref: str, name: str, file: Path) -> Suite | None:
    """Return the suite of this name at the merge base with ``ref``; None if it is new since then.

    Args:
        project: project folder.
        ref: git reference.
        name: name of the suite.
        file: its file now: where to look first.

    Raises:
        UsageError: git knows no such reference; several files have this name there; or none has, but a baseline does.
    """
    base = MergeBase.find(project, ref)
    here = _below(project, file)
    if here is None:
        raise UsageError(f"{file}: not in the project {project}, so not at {base}")
    return _Reader(project, base).find(name, here)


class _Reader:
    """Reads suites of a project at the merge base."""

    def __init__(self, project: Path, base: MergeBase) -> None:
        self.project = project
        self.base = base

    def find(self, name: str, here: PurePosixPath) -> Suite | None:
        known = self.base.files(*{*SUFFIXES, here.suffix})
        for first in (p for p in known if p == here and self._name(p) == name):
            return self._load(first)
        named = [p for p in known if self._name(p) == name]
        if len(named) > 1:
            several = ", ".join(map(str, named))
            raise UsageError(f"{here}: at {self.base} several files have the name {name!r}: {several}")
        if named:
            other = self._name(here) if here in known else None
            if other is not None and any(self._labels(other)):
                raise UsageError(
                    f"{here}: at {self.base} this file is the suite {other!r}, which has a baseline; as {name!r} it "
                    f"would be judged by the gates of {named[0]}: run that file, or give this one its name again"
                )
            return self._load(named[0])
        if labels := sorted(self._labels(name)):
            raise UsageError(
                f"{here}: at {self.base} no file is the suite {name!r}, although it has a baseline there "
                f"({', '.join(labels)}): its gate is not known"
            )
        return None

    def _load(self, path: PurePosixPath) -> Suite:
        return suite.load(self.project / path, read=self._text)

    def _name(self, path: PurePosixPath) -> str | None:
        """The name of the suite in a file; None if it is no suite."""
        try:
            entry = load(self.project / path, self._text).entries.get("suite")
        except (SuiteError, UsageError):
            return None
        return " ".join(entry.value.text.split()) if entry and isinstance(entry.value, Scalar) else None

    def _text(self, path: Path) -> str:
        inside = _below(self.project, path)
        if inside is None:
            raise UsageError(f"{path}: not in the project {self.project}, so not at {self.base}")
        content = self.base.read(inside)
        if content is None:
            raise FileNotFoundError(errno.ENOENT, f"not there at {self.base}")
        return text_of(content, f"{path} at {self.base}")

    def _labels(self, name: str) -> Iterator[str]:
        folder = baselines.path_of(name, "cpu").parent
        return (n.removesuffix(".json") for n in self.base.names(folder) if n.endswith(".json"))


def _below(project: Path, path: Path) -> PurePosixPath | None:
    """A path below the project as it is spelled: a link that the branch made must not lead to another file."""
    for spelled in (os.path.abspath(path), os.path.realpath(path)):
        for root in (os.path.abspath(project), os.path.realpath(project)):
            if Path(spelled).is_relative_to(root):
                return PurePosixPath(Path(spelled).relative_to(root))
    return None
