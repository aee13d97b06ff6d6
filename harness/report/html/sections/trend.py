"""The trend: the accepted runs of this suite, what changed with each, and this run as the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from harness.compare import Difference, wording
from harness.compare.differences import run_differences, suite_changes
from harness.compare.match import in_point, match
from harness.compare.sample import NO_TIMING, Figure, Side, lacks_timing
from harness.report.finding_text import confidence
from harness.report.html.context import Context
from harness.report.html.parts import Cell, Chart, Section, Table
from harness.report.html.svg import ACCENT, INK, QUIET, TOP, Plot, drawing, mark, rule, scale
from harness.store.record import GateInfo, Run, Score

MOST_RUNS = 60
"""Maximum number of runs drawn, the latest ones."""


@dataclass(frozen=True)
class Stop:
    """One run of the trend."""

    label: str
    """Its date, or that it is the run of this report."""
    about: str
    """Why it was accepted, in a few words."""
    figure: Figure | None
    """None if the run has no such score."""
    is_break: bool
    """Whether its protocol differs from that of the previous run, so that the two cannot be compared."""
    changed: bool = False
    """Whether something else was changed on purpose since the previous run."""
    is_now: bool = False
    """Whether it is the run of this report, which is not accepted."""
    lacking: str = "none"
    """What to say if there is no figure."""


def trend_chart(name: str, better: str, stops: Sequence[Stop]) -> Chart:
    """Draw a mark per run in order, with the interval of its mean; the line breaks where the protocol changed."""
    shown = stops[-MOST_RUNS:]
    levels = [v for s in shown if s.figure for v in _range(s.figure)]
    x = scale((0, max(len(shown) - 1, 1)), pad=0.07)
    ticks = tuple((float(i), shown[i].label) for i in _named(len(shown)))
    plot = Plot(x, scale(levels), "accepted runs →", f"{name} ({better} is better)", ticks, height=150)
    lines = [plot.line(path, QUIET) for path in _paths(shown) if len(path) > 1]
    breaks = [_break(plot, i) for i, s in enumerate(shown) if s.is_break and i]
    marks = [m for i, s in enumerate(shown) for m in _stop(plot, i, s)]
    title = f"{name} over the accepted runs"
    svg = drawing(title, _chart_told(name, shown), plot.total, *plot.frame(), *breaks, *lines, *marks)
    return Chart(title, svg, _caption(shown, len(stops)), _table(title, name, stops))


def _range(figure: Figure) -> tuple[float, float, float]:
    low, high = figure.low, figure.high
    return (figure.mean if low is None else low, figure.mean, figure.mean if high is None else high)


def _named(count: int) -> list[int]:
    """Return the indices of the runs to name: the first, the last, and one in between if it fits."""
    return sorted({0, count // 2, count - 1} if count > 4 else {0, count - 1})


def _paths(stops: Sequence[Stop]) -> list[list[tuple[float, float]]]:
    """Return lines through consecutive runs that can be compared."""
    paths: list[list[tuple[float, float]]] = [[]]
    for i, stop in enumerate(stops):
        if stop.is_break or stop.figure is None:
            paths.append([])
        if stop.figure is not None:
            paths[-1].append((float(i), stop.figure.mean))
    return paths


def _break(plot: Plot, index: int) -> Markup:
    at = plot.across(index - 0.5)
    return rule(at, TOP, at, TOP + plot.height, QUIET, stroke_dasharray="5 4")


def _stop(plot: Plot, index: int, stop: Stop) -> list[Markup]:
    if stop.figure is None:
        return []
    low, mean, high = _range(stop.figure)
    x, hue = plot.across(index), ACCENT if stop.is_now else INK
    whisker = [plot.whisker(x, low, high, hue)] if low < high else []
    about = f"{stop.label}: {_written(stop.figure)}. {stop.about}"
    shape = "diamond" if stop.changed else "circle"
    return [*whisker, mark(x, plot.down(mean), shape, hue, filled=not stop.is_now, about=about)]


def _written(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return wording.number(figure.mean)
    mean, low, high = wording.together([figure.mean, figure.low, figure.high])
    return f"{mean} [{low}, {high}]" if figure.low < figure.high else mean


def _chart_told(name: str, stops: Sequence[Stop]) -> str:
    figures = [s.figure for s in stops if s.figure]
    ends = f" From {_written(figures[0])} to {_written(figures[-1])}." if figures else ""
    return f"{name} of {wording.counted(len(stops), 'run')}.{ends}"


def _caption(shown: Sequence[Stop], of: int) -> str:
    parts = ["Accepted runs in their order"]
    parts += (
        [f" with their {confidence(())} intervals"]
        if any(s.figure and s.figure.low is not None for s in shown)
        else []
    )
    parts += [", and this run (hollow)"] if any(s.is_now for s in shown) else []
    parts += ["; diamond: the suite or its subject was changed"] if any(s.changed for s in shown) else []
    if any(s.is_break for s in shown[1:]):
        parts.append("; broken line: the protocol changed, figures to either side cannot be compared")
    parts += [f". The last {len(shown):,} of {of:,} are drawn"] if len(shown) < of else []
    return "".join(parts) + "."


def _table(title: str, name: str, stops: Sequence[Stop]) -> Table:
    """Make the table of the runs, newest first."""
    rows = []
    for stop in reversed(stops):
        figure = stop.figure
        value = (
            Cell(stop.lacking, tone="quiet") if figure is None else Cell(_written(figure), sort=figure.mean)
        )
        note = "the protocol changed" if stop.is_break else ""
        rows.append((Cell(stop.label, note=note), value, Cell(stop.about)))
    return Table(title, ("run", f"{name}, {confidence(())} interval", "why"), tuple(rows), frozenset({1}))


MOST = 6
"""Maximum number of gated fields drawn, the worst ones."""
NAMED = 4
"""Maximum number of differences of a kind named for a run."""


@dataclass(frozen=True)
class _Moment:
    """A run of the trend, and what changed since the previous one."""

    side: Side
    label: str
    about: str
    commit: str
    protocol: tuple[Difference, ...]
    settings: tuple[Difference, ...]
    environment: tuple[Difference, ...]
    is_now: bool = False


def trend(context: Context) -> Section | None:
    """Show the trend; None if nothing was accepted yet."""
    moments = _moments(context)
    if not context.history:
        return None
    gates = _worst_first(context)
    if len(context.history) == 1:  # two points are not a trend: the table is enough
        return Section("trend", "History of accepted runs", (_changes(moments),))
    drawn = [c for gate in gates[:MOST] if (c := _chart(moments, gate))]
    rest = wording.listed([_name(gate) for gate in gates[MOST:]], NAMED)
    lead = f"Not drawn, no worse than these: {rest}; harness history has them." if rest else ""
    return Section("trend", "History of accepted runs", (*drawn, _changes(moments)), lead)


def _worst_first(context: Context) -> list[GateInfo]:
    """Return the gates against the baseline, one per field and place, worst verdict first."""
    findings = wording.worst_first(f for f in context.comparison.findings if f.gated and f.against is None)
    order = [(f.metric, f.field, wording.point(f.at)) for f in findings]
    gates = {
        (g.metric, g.field, wording.point(g.at)): g for g in context.run.gates if not g.against_reference
    }
    ranks = {key: i for i, key in reversed([*enumerate(order)])}
    return [gates[key] for key in sorted(gates, key=lambda key: ranks.get(key, len(order)))]


def _name(gate: GateInfo) -> str:
    place = wording.point(gate.at)
    return f"{gate.metric}.{gate.field}" + (f" ({place})" if place else "")


def _moments(context: Context) -> list[_Moment]:
    """Return the accepted runs, and this one if it is not among them."""
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
        now = _Moment(
            context.candidate, "this run", "not accepted", "", _protocol(run, before), suite_changes(run, before),
            tuple(causes.values()), is_now=True,
        )  # fmt: skip
        found.append(now)
    return found


def _chart(moments: Sequence[_Moment], gate: GateInfo) -> Chart | None:
    """Draw the trend of a gate's field; None if no run has the field."""
    figures = [_figure(m.side, gate) for m in moments]
    if not any(figures):
        return None
    broken = [False, *(bool(_protocol(b.side.run, a.side.run, gate.metric)) for a, b in pairwise(moments))]
    stops = [
        Stop(m.label, m.about, figure, is_break, bool(m.settings), m.is_now, _lacking(m.side, gate))
        for m, figure, is_break in zip(moments, figures, broken, strict=True)
    ]
    last = moments[-1].side.run.metrics.get(gate.metric)
    direction = (last.fields.get(gate.field) if last else None) or {"better": "higher"}
    return trend_chart(_name(gate), str(direction["better"]), stops)


def _figure(side: Side, gate: GateInfo) -> Figure | None:
    info = side.run.metrics.get(gate.metric)
    if info is None or gate.field not in info.fields:
        return None
    return Figure.of(_scores(side, gate), gate.field, side)


def _lacking(side: Side, gate: GateInfo) -> str:
    return NO_TIMING if lacks_timing(_scores(side, gate), side) else "none"


def _scores(side: Side, gate: GateInfo) -> list[Score]:
    return [s for s in side.run.scores if s.metric == gate.metric and in_point(s, gate.at)]


def _protocol(after: Run, before: Run, metric: str = "") -> tuple[Difference, ...]:
    """Return protocol differences of the scores that both runs have, for one metric or for all."""
    pairs = match(after, before).pairs
    return run_differences(after, before, (p for p in pairs if metric in ("", p.candidate.metric)))


def _changes(moments: Sequence[_Moment]) -> Table:
    """Make the table of runs, newest first: date, reason, and changes."""
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
    return wording.listed([str(d) for d in changed], NAMED)
