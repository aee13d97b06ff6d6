"""The policy: which scores are compared, and in which order the steps run.

A run is compared with a baseline (``compare``), and the points of a run with one of its own points (``within``), by the
same steps: ``match.py`` finds the pairs, ``contrast.py`` judges them one field at a time on the evidence that
``evidence.py`` gathers, ``decide.py`` chooses the verdict and corrects for the number of gates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from harness.artifact import Json
from harness.compare import Comparison, Finding, Measured, stats
from harness.compare.contrast import Contrast
from harness.compare.decide import Judged, correct, sees
from harness.compare.match import Matching, Pair, in_point, match, point
from harness.compare.merge_base import (
    as_accepted,
    corrected,
    noting_margin,
    noting_reference,
    place_of,
    with_fewer_seeds,
    with_new_axes,
    with_other_items,
)
from harness.compare.sample import Figure, Side, alone
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
        noting_reference(j, run.reference) for j in _within(candidate, declared, gates, is_declared=True)
    ]
    if baseline is None:
        judged = [*_without_baseline(candidate, gates), *inner]
        findings = correct(judged, alpha)
        return Comparison(
            run.suite, run.id, None, None, note, findings, failures=run.failures, looks=run.looks
        )
    matching = match(run, baseline.run)
    if reference is not None:
        inner = [as_accepted(j, matching, run, baseline.run) for j in inner]
    contrast = Contrast(candidate, baseline, alpha=alpha)
    is_change = reference is not None
    judged = [
        *_gated(contrast, matching, gates, is_change=is_change),
        *_ungated(contrast, matching, gates),
        *inner,
    ]
    if reference is not None:
        then = _within(baseline, declared, gates, is_declared=True)
        alike = {place_of(j.finding): j.evidence is not None and j.evidence.alike for j in then}
        judged = [with_other_items(j, alike) for j in judged]
        judged = [with_fewer_seeds(j, seeds or {}, run, baseline.run) for j in judged]
        judged = [with_new_axes(j, matching) for j in judged]
    findings = corrected(judged, alpha, matching if reference is not None else None)
    return Comparison(
        suite=run.suite,
        run=run.id,
        baseline=name or baseline.run.id,
        accepted=baseline.run.accepted,
        note=note,
        findings=tuple(noting_margin(f, gates, run.gates, baseline.run.gates) for f in findings),
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


def _level(run: Run) -> float:
    """Level of every claim about a run. If a run may be judged several times, its looks share the usual level."""
    return stats.ALPHA if run.looks is None else run.looks.alpha


def _without_baseline(candidate: Side, gates: Sequence[GateInfo]) -> Iterator[Judged]:
    """A finding per gate without a verdict: what was measured, and what its margin could see."""
    contrast, run = Contrast(candidate, candidate), candidate.run
    stored = _stored(gates)
    for g in stored:
        reason = "there is no baseline yet"
        finding = contrast.unjudged(g.metric, g.field, g.at, g, gated=True, reason=reason)
        scores = [s for s in run.scores if _is_at(s, g)]
        figure = Figure.of(scores, g.field, candidate)
        if figure is not None:
            spread = alone(scores, g.field, candidate)
            direction = run.metrics[g.metric].fields[g.field] or {}
            finding = replace(
                finding,
                points=len(scores),
                margin=stats.margin_of(g.margin, figure.mean, direction.get("floor", 0.0))
                if g.relative
                else g.margin,
                sees=sees(spread, len(stored), _level(run)),
                measured=Measured(
                    figure.mean, None if spread is None else spread.sd, figure.repeats, figure.unit
                ),
            )
        yield Judged(replace(finding, verdict=None))


def _gated(
    contrast: Contrast, matching: Matching, gates: Sequence[GateInfo], *, is_change: bool
) -> Iterator[Judged]:
    """A finding per gate, except gates whose scores are all new or deselected.

    A change under review does not get rid of a gate by points that are all new.
    """
    run = contrast.candidate.run
    for gate in _stored(gates):
        pairs = [p for p in matching.pairs if _is_at(p.candidate, gate)]
        if pairs:
            yield contrast.judge(pairs, gate.field, gate.at, gate, gated=True)
        elif not any(
            _is_at(s, gate) for s in (*(() if is_change else matching.new), *matching.not_run)
        ) and not _deselected(gate, run.only):
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
