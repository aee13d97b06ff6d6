"""The policy: which scores are compared, and in which order the steps run.

A run is compared with a baseline (``compare``), and the points of a run with one of its own points (``within``), by the
same steps: ``match.py`` finds the pairs, ``contrast.py`` judges them one field at a time on the evidence that
``evidence.py`` gathers, ``decide.py`` chooses the verdict and corrects for the number of gates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from harness.artifact import Json
from harness.compare import Comparison, Difference, Finding, Point, Verdict, stats
from harness.compare.contrast import Contrast, incomparable, measured_otherwise, other_code
from harness.compare.decide import Judged, correct
from harness.compare.differences import run_differences
from harness.compare.match import Matching, Pair, in_point, match, point
from harness.compare.sample import Side, seeds_of
from harness.formats.strict_json import canonical
from harness.store.record import GateInfo, Run, Score


def compare(
    candidate: Side,
    baseline: Side | None,
    gates: Sequence[GateInfo],
    *,
    reference: Mapping[str, Json] | None = None,
    seeds: Mapping[str, Sequence[int]] | None = None,
    name: str | None = None,
    note: str = "",
) -> Comparison:
    """Compare a run with a baseline, and with its own reference point if its suite names one.

    Args:
        candidate: the run and its items.
        baseline: an accepted run, or any other; None if there is none.
        gates: gates to judge: the run's own, or those of the merge base.
        reference: reference point of these gates, by default the run's own.
        seeds: seeds of the merge base's suite, ``node.field`` → values: a run that lacks repeats cannot pass.
        name: name of the baseline in messages; by default the id of its run.
        note: why there is no baseline, and the command that makes one.
    """
    run = candidate.run
    alpha = _level(run)
    declared = run.reference if reference is None else reference
    inner = [
        _noting_reference(j, run.reference) for j in _within(candidate, declared, gates, is_declared=True)
    ]
    if baseline is None:
        judged = [*_without_baseline(candidate, gates), *inner]
        findings = correct(judged, alpha)
        return Comparison(
            run.suite, run.id, None, None, note, findings, failures=run.failures, looks=run.looks
        )
    matching = match(run, baseline.run)
    if reference is not None:
        inner = [_as_accepted(j, matching, run, baseline.run) for j in inner]
    contrast = Contrast(candidate, baseline, alpha=alpha)
    judged = [*_gated(contrast, matching, gates), *_ungated(contrast, matching, gates), *inner]
    if reference is not None:
        judged = [_with_fewer_seeds(_with_other_items(j), seeds or {}, run, baseline.run) for j in judged]
    findings = _corrected(judged, alpha, matching if reference is not None else None)
    return Comparison(
        suite=run.suite,
        run=run.id,
        baseline=name or baseline.run.id,
        accepted=baseline.run.accepted,
        note=note,
        findings=tuple(_noting_margin(f, gates, run.gates, baseline.run.gates) for f in findings),
        new=tuple(map(point, matching.new)),
        missing=tuple(map(point, matching.missing)),
        not_run=tuple(map(point, matching.not_run)),
        failures=run.failures,
        looks=run.looks,
    )


def within(
    candidate: Side, reference: Mapping[str, Json], gates: Sequence[GateInfo] = ()
) -> tuple[Finding, ...]:
    """Compare every other point of the reference's axes with the reference point of the same run.

    The margin is that of the field's gate, if it has one. A finding is gated only if a gate is declared against the
    reference, ``reference`` is the one that the suite declares, and the gate names this point or no point.
    """
    is_declared = reference == candidate.run.reference
    return correct(_within(candidate, reference, gates, is_declared=is_declared), _level(candidate.run))


def _noting_reference(judged: Judged, file: Mapping[str, Json]) -> Judged:
    """The finding against a reference, with an added sentence if the suite as it was run has another one."""
    finding = judged.finding
    if finding.against is None or finding.against == file:
        return judged
    told = (
        f"judged against {_named(finding.against)} of the merge base, not against {_named(file)} of the file"
    )
    return replace(judged, finding=replace(finding, beside=(*finding.beside, told)))


def _as_accepted(judged: Judged, matching: Matching, run: Run, baseline: Run) -> Judged:
    """The finding against a reference; incomparable if a gate of the merge base now measures something else.

    Both of its sides are of the run under review, so that they cannot show it.
    """
    finding = judged.finding
    if not finding.gated:
        return judged
    pairs = [p for p in matching.pairs if p.candidate.metric == finding.metric]
    if changed := run_differences(run, baseline, pairs):
        return Judged(incomparable(finding, changed))
    changed = measured_otherwise(run, baseline, pairs)
    return Judged(other_code(finding, changed)) if changed else judged


def _corrected(judged: Sequence[Judged], alpha: float, matching: Matching | None) -> tuple[Finding, ...]:
    """Holm's correction; with a ``matching`` separately for points of a sweep that the baseline does not have.

    Otherwise a change could add points until a claim about the accepted ones is not sure enough any more.
    """
    new = [point(s) for s in matching.new] if matching is not None else []
    added = [
        j for j in judged if j.finding.against is not None and Point(j.finding.metric, j.finding.at) in new
    ]
    accepted = [j for j in judged if j not in added]
    corrected = (
        (id(j), f)
        for family in (accepted, added)
        for j, f in zip(family, correct(family, alpha), strict=True)
    )
    found = dict(corrected)
    return tuple(found[id(j)] for j in judged)


def _with_other_items(judged: Judged) -> Judged:
    """The gated finding; incomparable if it rests on items that are not the baseline's, unless it has regressed anyway.

    A change could rename its items, so that they are not paired and less can be shown.
    """
    finding = judged.finding
    if not finding.gated or finding.against is not None or finding.estimate is None:
        return judged
    paired = finding.estimate.unit != "items" or finding.estimate.paired
    if paired or finding.verdict in (Verdict.REGRESSED, Verdict.INCOMPARABLE):
        return judged
    return Judged(incomparable(finding, (), "the run has other items than the baseline"))


def _with_fewer_seeds(judged: Judged, seeds: Mapping[str, Sequence[int]], run: Run, baseline: Run) -> Judged:
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


def _named(reference: Mapping[str, Json]) -> str:
    if not reference:
        return "no reference"
    return f"the reference {', '.join(f'{axis}={value}' for axis, value in reference.items())}"


def _noting_margin(
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


def _said(margin: tuple[float, bool] | None) -> str:
    if margin is None:
        return "no margin"
    value, relative = margin
    return f"the margin {100 * value:g} %" if relative else f"the margin {value:g}"


def _level(run: Run) -> float:
    """Level of every claim about a run. If a run may be judged several times, its looks share the usual level."""
    return stats.ALPHA if run.looks is None else run.looks.alpha


def _without_baseline(candidate: Side, gates: Sequence[GateInfo]) -> Iterator[Judged]:
    contrast = Contrast(candidate, candidate)
    for g in _stored(gates):
        reason = "there is no baseline for this suite"
        yield Judged(contrast.unjudged(g.metric, g.field, g.at, g, gated=True, reason=reason))


def _gated(contrast: Contrast, matching: Matching, gates: Sequence[GateInfo]) -> Iterator[Judged]:
    """A finding per gate, except gates whose scores are all new or deselected."""
    run = contrast.candidate.run
    for gate in _stored(gates):
        pairs = [p for p in matching.pairs if _is_at(p.candidate, gate)]
        if pairs:
            yield contrast.judge(pairs, gate.field, gate.at, gate, gated=True)
        elif not any(_is_at(s, gate) for s in (*matching.new, *matching.not_run)) and not _deselected(
            gate, run.only
        ):
            reason = "the run has no such score"
            yield Judged(contrast.unjudged(gate.metric, gate.field, gate.at, gate, gated=True, reason=reason))


def _ungated(contrast: Contrast, matching: Matching, gates: Sequence[GateInfo]) -> Iterator[Judged]:
    """A finding for every other field that has a direction on both sides, as the mean over its points."""
    gated = {(g.metric, g.field) for g in _stored(gates) if not g.at}
    by_metric: dict[str, list[Pair]] = {}
    for pair in matching.pairs:
        if pair.candidate.complete and pair.baseline.complete:
            by_metric.setdefault(pair.candidate.metric, []).append(pair)
    for metric, pairs in by_metric.items():
        theirs = contrast.baseline.run.metrics[metric].fields
        for name, direction in contrast.candidate.run.metrics[metric].fields.items():
            if direction and name in theirs and (metric, name) not in gated:
                yield contrast.judge(pairs, name, {}, None, gated=False)


def _within(
    side: Side, reference: Mapping[str, Json], gates: Sequence[GateInfo], *, is_declared: bool
) -> list[Judged]:
    run = side.run
    contrast = Contrast(side, side, reference, alpha=_level(run))
    if not reference:
        reason = "no reference point is declared any more"
        return [
            Judged(contrast.unjudged(g.metric, g.field, g.at, g, gated=True, reason=reason))
            for g in gates
            if g.against_reference
        ]
    judged: list[Judged] = []
    met: set[int] = set()
    for pair in _against(run.scores, reference):
        for name, direction in run.metrics[pair.candidate.metric].fields.items():
            mine = [
                (i, g) for i, g in enumerate(gates) if (g.metric, g.field) == (pair.candidate.metric, name)
            ]
            named = [(i, g) for i, g in mine if g.against_reference and in_point(pair.candidate, g.at)]
            met.update(i for i, _ in named)
            gate = max((g for _, g in named), key=lambda g: len(g.at), default=mine[0][1] if mine else None)
            is_gated = is_declared and bool(named)
            if direction and (is_gated or (pair.candidate.complete and pair.baseline.complete)):
                judged.append(contrast.judge([pair], name, pair.candidate.point, gate, gated=is_gated))
    for i, g in enumerate(gates):
        if g.against_reference and is_declared and i not in met and not run.only:
            reason = "the run has no point of it to set against the reference point"
            judged.append(Judged(contrast.unjudged(g.metric, g.field, g.at, g, gated=True, reason=reason)))
    return judged


def _against(scores: Iterable[Score], reference: Mapping[str, Json]) -> Iterator[Pair]:
    """Each score with the one at the reference's values, and at its own values of the other axes."""
    places = {(s.metric, canonical(s.point)): s for s in scores}
    for place, score in places.items():
        there = {axis: reference.get(axis, value) for axis, value in score.point.items()}
        other = place[0], canonical(there)
        if other != place and other in places:
            yield Pair(score, places[other])


def _stored(gates: Iterable[GateInfo]) -> list[GateInfo]:
    """The gates that are judged against the baseline."""
    return [g for g in gates if not g.against_reference]


def _is_at(score: Score, gate: GateInfo) -> bool:
    return score.metric == gate.metric and in_point(score, gate.at)


def _deselected(gate: GateInfo, only: Mapping[str, Sequence[Json]]) -> bool:
    return any(axis in only and value not in only[axis] for axis, value in gate.at.items())
