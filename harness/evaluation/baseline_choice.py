"""Chooses the baseline of a run and compares the run with it, or with a baseline as of the merge base of a branch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.artifact import Json
from harness.compare import Comparison, verdict
from harness.compare import baseline as baselines
from harness.compare.baseline import Baseline, Commit
from harness.compare.proposal import propose
from harness.compare.sample import Side
from harness.errors import UsageError, nearest
from harness.evaluation.approved_suite import declared, suite_at
from harness.formats.strict_json import canonical
from harness.report import streams
from harness.store import project as places
from harness.store import record_file
from harness.store.environment import device_class, environment
from harness.store.items import ItemsReader
from harness.store.record import Run


@dataclass(frozen=True)
class Against:
    """What to compare with: a label, a file or a run; by default the label of the run's device class."""

    baseline: str | None = None
    ref: str | None = None
    """Use the label, the gate and the reference as of the merge base with this git reference."""
    proposals: bool = True
    """Whether a baseline that the change brings may count as a proposal."""


Opponent = tuple[Side | None, str]
"""The other side of a comparison, None if there is none, and its name."""


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


def case(
    folder: Path,
    project: Path,
    against: Against,
    suite_file: Path | None = None,
    settled: Opponent | None = None,
) -> Case:
    """Compare the run in ``folder`` with what ``against`` names.

    Args:
        folder: folder of the run.
        project: project folder that holds the baselines.
        against: what to compare with.
        suite_file: file of the suite; its gate and its reference are read at ``against.ref``.
        settled: the other side, as it was before the run was written: a suite's name means its latest run.

    Raises:
        UsageError: what ``against`` names does not exist, is not a baseline, or is the run itself.
    """
    candidate = side(folder)
    warn_of_edits(folder)
    run = candidate.run
    gates, seeds = run.gates, {}
    reference: Mapping[str, Json] | None = None  # the run's own
    if against.ref is not None:
        approved = suite_at(project, against.ref, run.suite, suite_file)
        if approved is not None and suite_file is not None:
            gates, reference = declared(approved, suite_file, run)
            seeds = {axis.field: axis.values for axis in approved.seeds}
    label = against.baseline or label_of(run)
    found, name = settled or opponent(project, against, run.suite, label)
    if settled is None and found is not None and found.run.accepted is None:
        warn_of_edits(Path(name))
        if Path(name).resolve() in (folder.resolve(), (folder / "run.json").resolve()):
            raise UsageError(f"{name}: this is the run itself; name another run or a baseline")
    note = "" if found else _no_baseline(run, folder, project, label, against.ref)
    compared = verdict.compare(
        candidate, found, gates, reference=reference, seeds=seeds, name=name, note=note
    )
    if against.ref is not None and (brought := _brought(project, run.suite, label, found)):
        declared_there = run.reference if reference is None else reference
        by = Commit.head(project).last_change(
            Commit.merge_base(project, against.ref), baselines.path_of(run.suite, label)
        )
        proposal = propose(candidate, brought, found, compared, gates, declared_there, by=by)
        if not against.proposals:
            proposal = replace(proposal, withheld=("--no-proposals was given", *proposal.withheld))
        compared = replace(compared, proposal=proposal)
    return Case(compared, candidate, found)


def _brought(project: Path, suite_name: str, label: str, base: Side | None) -> Baseline | None:
    """Return the baseline at the tip of a change if it is not that of the merge base."""
    there = None if base is None else base.run.accepted
    try:
        here = baselines.find(project, suite_name, label)
        found = baselines.read_from(Commit.head(project), suite_name, label)
    except UsageError as e:
        streams.warn(f"the change proposes no baseline: {e}")
        return None
    tip = None if found is None else found.run.accepted
    if here is not None and here.run.accepted not in (tip, there):
        path = baselines.path_of(suite_name, label)
        streams.warn(f"{path}: accepted but not committed; the change proposes it once it is committed")
    return found if tip is not None and tip != there else None


def settle(
    project: Path, against: Against, suite_name: str, suite_file: Path, out: Path | None
) -> Opponent | None:
    """Read the other side before anything runs, and check that ``judge`` will work.

    Returns:
        The other side, or None for the default label: it depends on where the run will have run.

    Raises:
        UsageError: as ``judge`` would; or the run would replace what it is compared with.
    """
    if against.ref is not None:
        suite_at(project, against.ref, suite_name, suite_file)
    found, name = opponent(project, against, suite_name, against.baseline or device_class(environment()))
    if against.baseline is None:
        return None
    if found is not None and found.run.accepted is None:
        warn_of_edits(Path(name))
        if (
            out is not None
            and out.exists()
            and Path(name).resolve() in (out.resolve(), (out / "run.json").resolve())
        ):
            raise UsageError(f"--out {out}: is what --baseline names; name another folder")
    return found, name


def opponent(project: Path, against: Against, suite_name: str, label: str) -> Opponent:
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
            "judged; a baseline of this run that is accepted and committed on this branch is shown as a proposal"
        )
    short = places.reports(places.of(Path.cwd()), run.suite) / run.id
    named = run.id if short.resolve() == folder.resolve() else shlex.quote(str(folder))
    option = "" if label == label_of(run) else f" --label {label}"
    accept = f'harness accept {named}{option} --reason "…"'
    return f"no baseline {label!r} for {run.suite}{place}{others}. If these figures are right: {accept}"
