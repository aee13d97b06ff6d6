"""A change under review that brings an accepted baseline: whether it is that of the run, and what it would replace.

The run is judged against the merge base as ever. If the baseline that the change brings equals the run, and the run
passes the gates of the change, the outcome is *proposed*: what merging would accept is shown, and the reviewer decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from harness.artifact import Json
from harness.compare import Comparison, Proposal, Proposed, Verdict, wording
from harness.compare.match import in_point
from harness.compare.sample import Side
from harness.compare.verdict import compare
from harness.formats.strict_json import canonical
from harness.store.record import GateInfo, Repeat, Run, Score


def propose(
    candidate: Side,
    brought: Side,
    base: Side | None,
    judged: Comparison,
    gates: Sequence[GateInfo],
    reference: Mapping[str, Json],
    *,
    by: str,
) -> Proposal:
    """Describe what merging a change would accept.

    Args:
        candidate: the run.
        brought: the accepted baseline at the tip of the change.
        base: the baseline at the merge base; None if there is none.
        judged: the run compared with ``base``.
        gates: gates of the merge base's suite; those of the run if the suite is new.
        reference: reference point of these gates.
        by: who committed the baseline.
    """
    run, accepted = candidate.run, brought.run.accepted
    assert accepted is not None
    own = compare(candidate, brought, run.gates)
    gated = [f for f in own.findings if f.gated]
    return Proposal(
        accepted=accepted,
        by=by,
        figures=tuple(_figures(brought.run, None if base is None else base.run)),
        gates=(
            *_gates(run.gates, gates),
            *_reference(run.reference, reference),
            *_scores(judged),
            *_not_comparable(judged),
        ),
        worse=tuple(
            dict.fromkeys(f.name for f in judged.findings if f.gated and f.verdict is Verdict.REGRESSED)
        ),
        open=tuple(dict.fromkeys(f.name for f in gated if f.verdict is Verdict.INCONCLUSIVE)),
        withheld=tuple(_withheld(run, brought.run, own)),
    )


def _withheld(run: Run, brought: Run, own: Comparison) -> Iterator[str]:
    """Why the baseline is not that of the run."""
    if run.only:
        yield f"only a part of the suite was run (--only {', '.join(run.only)})"
    if run.gates != brought.gates or run.reference != brought.reference:
        yield "it was accepted with other gates or another reference than the suite has now"
    mine, theirs = _repeats(run), _repeats(brought)
    if left := sorted({metric for metric, _, _ in mine.keys() ^ theirs.keys()}):
        yield f"it has other scores or repeats than this run ({wording.listed(left, 3)})"
    both = [(place, mine[place], theirs[place]) for place in mine if place in theirs]
    if other := sorted({metric for (metric, _, _), a, b in both if a.key != b.key}):
        yield f"it was made by other code, software, data or settings than this run ({wording.listed(other, 3)})"
    unequal = [
        (f"{metric}.{name}", b.values.get(name), value)
        for (metric, _, _), a, b in both
        for name, value in a.values.items()
        if not run.metrics[metric].timed and b.values.get(name) != value
    ]
    elsewhere = any(_machines(run, a) != _machines(brought, b) for _, a, b in both)
    if unequal and not elsewhere:
        name, there, here = unequal[0]
        shown = wording.together([v for v in (there, here) if v is not None])
        yield f"{name} is {shown[0] if there is not None else 'absent'} in it and {shown[-1]} in this run"
    failing = [f for f in own.findings if f.gated and f.verdict in (Verdict.REGRESSED, Verdict.INCOMPARABLE)]
    moved = [
        f
        for f in own.findings
        if f.gated
        and f.against is None
        and not run.metrics[f.metric].timed
        and f.verdict is not Verdict.UNCHANGED
    ]
    for f in {id(f): f for f in (*failing, *(moved if unequal and elsewhere else ()))}.values():
        yield f"by the gates of the change {wording.label(f)} is {f.verdict}: {f.reason}"


def _not_comparable(judged: Comparison) -> Iterator[str]:
    """Why old and new figures do not mean the same."""
    reasons: dict[str, dict[str, None]] = {}
    for f in judged.findings:
        if f.gated and f.verdict is Verdict.INCOMPARABLE:
            reasons.setdefault(f.reason, {})[f.name] = None
    for reason, names in reasons.items():
        yield f"old and new are not comparable in {wording.listed(list(names), 3)}: {reason}"


def _repeats(run: Run) -> dict[tuple[str, str, str], Repeat]:
    return {(s.metric, canonical(s.point), canonical(r.seeds)): r for s in run.scores for r in s.repeats}


def _machines(run: Run, repeat: Repeat) -> list[str]:
    """The environments in which the work behind a repeat was done."""
    return sorted(canonical(run.environments.get(e, {})) for e in repeat.environments)


def _figures(brought: Run, base: Run | None) -> Iterator[Proposed]:
    """The gated figures that are not equal in both baselines."""
    for gate in brought.gates:
        after = None if gate.against_reference else _mean(brought.scores, gate)
        before = None if base is None else _mean(base.scores, gate)
        if after is not None and after != before:
            yield Proposed(gate.metric, gate.field, gate.at, before, after)


def _mean(scores: Sequence[Score], gate: GateInfo) -> float | None:
    values = [
        r.values[gate.field]
        for s in scores
        if s.metric == gate.metric and in_point(s, gate.at)
        for r in s.repeats
        if gate.field in r.values
    ]
    return fmean(values) if values else None


def _gates(after: Sequence[GateInfo], before: Sequence[GateInfo]) -> Iterator[str]:
    then, now = ({_gate(g): _margin(g) for g in gates} for gates in (before, after))
    for name in dict.fromkeys((*then, *now)):
        if name not in now:
            yield f"gate removed: {name} (margin {then[name]})"
        elif name not in then:
            yield f"gate added: {name} (margin {now[name]})"
        elif then[name] != now[name]:
            yield f"margin of {name}: {then[name]} → {now[name]}"


def _gate(gate: GateInfo) -> str:
    where = ", ".join(
        filter(None, (wording.point(gate.at), "against the reference" * gate.against_reference))
    )
    return f"{gate.metric}.{gate.field}" + (f" ({where})" if where else "")


def _margin(gate: GateInfo) -> str:
    return f"{100 * gate.margin:g} %" if gate.relative else f"{gate.margin:g}"


def _reference(after: Mapping[str, Json], before: Mapping[str, Json]) -> Iterator[str]:
    if after != before:
        yield f"reference: {wording.point(before) or 'none'} → {wording.point(after) or 'none'}"


def _scores(judged: Comparison) -> Iterator[str]:
    for what, points in (("removed", judged.missing), ("added", judged.new)):
        if points:
            names = wording.listed([wording.label(p) for p in points], 3)
            yield f"{wording.counted(len(points), 'score')} {what}: {names}"
