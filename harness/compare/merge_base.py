"""What a change under review cannot do to the gates of its merge base: exchange what they are judged on.

Gates, margins, reference and seeds are those of the merge base. If the run lacks repeats or items that they are judged
on, or the metric measures something else, a gate does not pass. What differs from the file is said beside the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.artifact import Json
from harness.compare import Difference, Finding, Verdict
from harness.compare.contrast import incomparable, measured_otherwise, other_code
from harness.compare.decide import Judged, correct
from harness.compare.differences import run_differences
from harness.compare.evidence import counting
from harness.compare.match import Matching
from harness.compare.sample import seeds_of
from harness.formats.strict_json import canonical
from harness.store.record import GateInfo, Run


def noting_reference(judged: Judged, file: Mapping[str, Json]) -> Judged:
    """The finding against a reference, with an added sentence if the suite as it was run has another one."""
    finding = judged.finding
    if finding.against is None or finding.against == file:
        return judged
    told = (
        f"judged against {_named(finding.against)} of the merge base, not against {_named(file)} of the file"
    )
    return replace(judged, finding=replace(finding, beside=(*finding.beside, told)))


def as_accepted(judged: Judged, matching: Matching, run: Run, baseline: Run) -> Judged:
    """The finding against a reference; incomparable if a gate of the merge base now measures something else.

    Both of its sides are of the run under review, so that they cannot show it.
    """
    finding = judged.finding
    if not finding.gated:
        return judged
    order = run.metrics[finding.metric].seeds if finding.metric in run.metrics else ()
    pairs = counting([p for p in matching.pairs if p.candidate.metric == finding.metric], order)
    if changed := run_differences(run, baseline, pairs):
        return Judged(incomparable(finding, changed))
    changed = measured_otherwise(run, baseline, pairs)
    return Judged(other_code(finding, changed)) if changed else judged


def with_other_items(judged: Judged, before: Mapping[Place, bool]) -> Judged:
    """The gated finding; incomparable if its items or clusters are exchanged, unless it has regressed anyway.

    A change could rename its items, so that they are not paired and less can be shown.

    Args:
        judged: the finding.
        before: finding against the reference → whether both of its sides have the same items in the baseline.
    """
    finding, evidence = judged.finding, judged.evidence
    if not finding.gated or evidence is None or evidence.alike:
        return judged
    is_new = finding.against is not None and not before.get(place_of(finding), False)
    if is_new or finding.verdict in (Verdict.REGRESSED, Verdict.INCOMPARABLE):
        return judged
    return Judged(
        incomparable(finding, (), "the run has other items, or in other clusters, than the baseline")
    )


Place = tuple[str, str, str]
"""Metric, field and point."""


def place_of(finding: Finding) -> Place:
    return finding.metric, finding.field, canonical(finding.at)


def with_fewer_seeds(judged: Judged, seeds: Mapping[str, Sequence[int]], run: Run, baseline: Run) -> Judged:
    """The gated finding; incomparable if repeats of the merge base's suite are missing, unless it has regressed anyway.

    Repeats with other seeds are not paired with the baseline's, so that a change may not show that does with them.
    """
    finding = judged.finding
    if not finding.gated or finding.verdict in (Verdict.REGRESSED, Verdict.INCOMPARABLE):
        return judged
    swept = {n for side in (run, baseline) for n in side.metrics[finding.metric].seeds}
    names = [n for n in seeds if n in swept]
    wanted = {
        tuple(sorted(zip(names, row, strict=True))) for row in zip(*(seeds[n] for n in names), strict=True)
    }
    scores = [s for s in run.scores if s.metric == finding.metric]
    if not names or all(wanted <= {seeds_of(r) for r in s.repeats} for s in scores):
        return judged
    declared = run.declaration.get("seeds")
    here: Mapping[str, Json] = declared if isinstance(declared, Mapping) else {}
    fields = {n: (list(seeds[n]) if n in seeds else None, here.get(n)) for n in sorted(swept)}
    changed = [Difference(f"seeds.{n}", *values) for n, values in fields.items()]
    return Judged(incomparable(finding, changed, "the run lacks repeats of the merge base's suite:"))


def with_new_axes(judged: Judged, matching: Matching) -> Judged:
    """The gated finding; incomparable if the change sweeps a field that was fixed, unless it has regressed anyway.

    The old value could be kept as one point of the sweep, beside the one that is really used.
    """
    finding = judged.finding
    if (
        not finding.gated
        or finding.against is not None
        or finding.verdict in (Verdict.REGRESSED, Verdict.INCOMPARABLE)
    ):
        return judged
    before = {
        axis for p in matching.pairs if p.baseline.metric == finding.metric for axis in p.baseline.point
    }
    added = {
        axis: None
        for s in matching.new
        if s.metric == finding.metric
        for axis in s.point
        if axis not in before and axis not in finding.at
    }
    if not added:
        return judged
    reason = f"the change sweeps {', '.join(added)}, which the merge base does not: its other points are not judged"
    return Judged(incomparable(finding, (), reason))


def corrected(judged: Sequence[Judged], alpha: float, matching: Matching | None) -> tuple[Finding, ...]:
    """Holm's correction; with a ``matching`` separately for points of a sweep that the baseline does not have.

    Otherwise a change could add points until a claim about the accepted ones is not sure enough any more.
    """
    new = {(s.metric, canonical(s.point)) for s in matching.new} if matching is not None else set()
    families: tuple[list[Judged], list[Judged]] = [], []
    for j in judged:
        is_new = j.finding.against is not None and (j.finding.metric, canonical(j.finding.at)) in new
        families[is_new].append(j)
    found = {
        id(j): finding
        for family in families
        for j, finding in zip(family, correct(family, alpha), strict=True)
    }
    return tuple(found[id(j)] for j in judged)


def noting_margin(
    finding: Finding, used: Sequence[GateInfo], file: Sequence[GateInfo], accepted: Sequence[GateInfo]
) -> Finding:
    """The finding, with an added sentence if the gates of different sources disagree on its margin.

    Args:
        finding: finding of a comparison with a baseline.
        used: the gates that were judged; those of the merge base under ``--baseline-ref``.
        file: the gates of the suite as it was run.
        accepted: the gates that the baseline was accepted with.
    """
    mine, files, theirs = (_margin_of(finding, gates) for gates in (used, file, accepted))
    told = []
    alone = finding.against is None and not finding.gated and mine is None and files is None
    if alone and theirs is None:
        here = [g for g in accepted if (g.metric, g.field) == (finding.metric, finding.field)]
        lost = [g for g in here if not g.against_reference]
        told += [
            f"not gated; the baseline was accepted with {_said((g.margin, g.relative))}{_at(g)}" for g in lost
        ]
    elif alone and theirs is not None:
        told.append(f"not gated; the baseline was accepted with {_said(theirs)}")
    if mine != files:
        told.append(f"judged with {_said(mine)} of the merge base, not with {_said(files)} of the file")
    elif mine is not None and theirs is not None and mine != theirs:
        told.append(f"judged with {_said(mine)}; the baseline was accepted with {_said(theirs)}")
    return replace(finding, beside=(*finding.beside, *told))


def _margin_of(finding: Finding, gates: Sequence[GateInfo]) -> tuple[float, bool] | None:
    """The margin and whether it is relative; None if no gate is about this finding."""
    for gate in gates:
        at = dict(finding.at) if finding.gated and finding.against is None else {}
        is_here = (gate.metric, gate.field) == (finding.metric, finding.field)
        if is_here and dict(gate.at) == at and gate.against_reference == (finding.against is not None):
            return gate.margin, gate.relative
    return None


def _at(gate: GateInfo) -> str:
    return f" at {', '.join(f'{axis}={value}' for axis, value in gate.at.items())}" if gate.at else ""


def _said(margin: tuple[float, bool] | None) -> str:
    if margin is None:
        return "no margin"
    value, relative = margin
    return f"the margin {100 * value:g} %" if relative else f"the margin {value:g}"


def _named(reference: Mapping[str, Json]) -> str:
    if not reference:
        return "no reference"
    return f"the reference {', '.join(f'{axis}={value}' for axis, value in reference.items())}"
