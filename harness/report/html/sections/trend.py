"""Since when: the accepted runs of this suite, what changed with each, and this run as the last of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.compare.comparison import Difference
from harness.compare.declared import suite_changes
from harness.compare.figure import Figure
from harness.compare.match import differences, in_point, match
from harness.compare.sample import Side
from harness.record import GateInfo, Run
from harness.report import numbers
from harness.report.html.charts.trend import Stop
from harness.report.html.charts.trend import trend as chart
from harness.report.html.context import Context
from harness.report.html.parts import Cell, Chart, Section, Table

MOST = 6
"""Gated fields that are drawn, the worst ones."""
NAMED = 4
"""Differences of a kind that are named for a run."""


@dataclass(frozen=True)
class _Moment:
    """A run on the way, and what changed since the one before."""

    side: Side
    label: str
    about: str
    commit: str
    protocol: tuple[Difference, ...]
    settings: tuple[Difference, ...]
    environment: tuple[Difference, ...]
    is_now: bool = False


def trend(context: Context) -> Section | None:
    """None where nothing was accepted yet."""
    moments = _moments(context)
    if not context.history:
        return None
    gates = _worst_first(context)
    if len(context.history) == 1:  # two points are no trend: the table says what there is to say
        return Section("trend", "History of accepted runs", (_changes(moments),))
    drawn = [c for gate in gates[:MOST] if (c := _chart(moments, gate))]
    rest = numbers.listed([_name(gate) for gate in gates[MOST:]], NAMED)
    lead = f"Not drawn, no worse than these: {rest}; harness history has them." if rest else ""
    return Section("trend", "History of accepted runs", (*drawn, _changes(moments)), lead)


def _worst_first(context: Context) -> list[GateInfo]:
    """The gates against the baseline, one per field and place, in the order of their verdicts."""
    findings = numbers.worst_first(f for f in context.comparison.findings if f.gated and f.against is None)
    order = [(f.metric, f.field, numbers.point(f.at)) for f in findings]
    gates = {
        (g.metric, g.field, numbers.point(g.at)): g for g in context.run.gates if not g.against_reference
    }
    ranks = {key: i for i, key in reversed([*enumerate(order)])}
    return [gates[key] for key in sorted(gates, key=lambda key: ranks.get(key, len(order)))]


def _name(gate: GateInfo) -> str:
    place = numbers.point(gate.at)
    return f"{gate.metric}.{gate.field}" + (f" ({place})" if place else "")


def _moments(context: Context) -> list[_Moment]:
    """The accepted runs, and this one where it is none of them."""
    found = [
        _Moment(
            s.side,
            s.run.accepted.at[:10] if s.run.accepted else s.run.started[:10],
            s.run.accepted.reason if s.run.accepted else "",
            f"{s.commit[:9]} {s.subject}" if s.commit else "not committed",
            s.protocol,
            s.settings,
            s.environment,
        )
        for s in context.history
    ]
    run = context.run
    if found and run.id != found[-1].side.run.id:
        before = found[-1].side.run
        causes = {str(c): c for f in context.comparison.findings for c in f.causes}
        protocol = {str(d): d for d in _protocol(run, before)}
        now = _Moment(
            context.candidate, "this run", "not accepted", "", tuple(protocol.values()), suite_changes(run, before),
            tuple(causes.values()), is_now=True,
        )  # fmt: skip
        found.append(now)
    return found


def _chart(moments: Sequence[_Moment], gate: GateInfo) -> Chart | None:
    """None where no run has the field."""
    figures = [_figure(m.side, gate) for m in moments]
    if not any(figures):
        return None
    broken = [False, *(bool(_protocol(b.side.run, a.side.run, gate.metric)) for a, b in pairwise(moments))]
    stops = [
        Stop(m.label, m.about, figure, is_break, bool(m.settings), m.is_now)
        for m, figure, is_break in zip(moments, figures, broken, strict=True)
    ]
    last = moments[-1].side.run.metrics.get(gate.metric)
    direction = (last.fields.get(gate.field) if last else None) or {"better": "higher"}
    return chart(_name(gate), str(direction["better"]), stops)


def _figure(side: Side, gate: GateInfo) -> Figure | None:
    info = side.run.metrics.get(gate.metric)
    if info is None or gate.field not in info.fields:
        return None
    there = [s for s in side.run.scores if s.metric == gate.metric and in_point(s, gate.at)]
    return Figure.of(there, gate.field, side)


def _protocol(after: Run, before: Run, metric: str = "") -> list[Difference]:
    """What differs in the protocols of the scores that both have: of one metric, or of all."""
    return [
        d
        for p in match(after, before).pairs
        if metric in ("", p.candidate.metric)
        for d in differences(p.candidate, p.baseline, after.defaults, before.defaults)
    ]


def _changes(moments: Sequence[_Moment]) -> Table:
    """Newest first: when, why, and what was changed."""
    rows = tuple(
        (
            Cell(m.label),
            Cell(m.about, note=m.commit),
            Cell(_told(m.protocol), note="not comparable across this" if m.protocol else ""),
            Cell(_told(m.settings)),
            Cell(_told(m.environment)),
        )
        for m in reversed(moments)
    )
    heads = ("run", "why", "protocol", "suite and subject", "environment")
    return Table("What changed with each accepted run, newest first", heads, rows)


def _told(changed: Sequence[Difference]) -> str:
    return numbers.listed([str(d) for d in changed], NAMED)
