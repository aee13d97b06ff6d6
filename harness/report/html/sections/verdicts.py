"""The verdicts, as a forest plot, and their reasons; the rest of the page is their evidence.

The plot shows the change of each metric, its interval, and its margin. Metrics have different units, so each change is
drawn in units of its own margin, with worse to the right. The numbers next to it are in the metric's unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from markupsafe import Markup

from harness.compare import Comparison, Difference, Finding, Point, Proposal, Proposed, Verdict, wording
from harness.formats.strict_json import canonical
from harness.report.finding_text import confidence
from harness.report.html.context import (
    Context,
    metric_cell,
    table,
    verdict_cell,
    verdict_colour,
    verdict_mark,
)
from harness.report.html.parts import Block, Cell, Chart, Section, Table
from harness.report.html.svg import QUIET, RULE, drawing, element, fitted, mark, percent, rule, text
from harness.store.record import Run

ROWS = 200
"""Maximum number of rows of a table, worst first; the rest is counted."""


def verdicts(context: Context) -> Section | None:
    """Show the gated findings as chart and text; None if nothing is gated."""
    found = [f for f in wording.worst_first(context.comparison.findings) if f.gated]
    if not found:
        return None
    is_first = context.comparison.baseline is None
    waiting = [f for f in found if is_first and f.against is None]
    gated = [f for f in found if f not in waiting]
    blocks: list[Block] = [_measured(waiting)] if waiting else []
    if any(f.estimate for f in gated):
        blocks.append(forest(gated))
    elif gated:
        blocks.append(table("Gated metrics, worst first", gated, "baseline", ROWS))
    lead = f"Verdicts are {claims}." if (claims := wording.claims(gated)) else ""
    return Section("verdicts", "Verdicts", tuple(blocks), lead)


def _measured(findings: Sequence[Finding]) -> Table:
    """Make a table of the gates that have no baseline yet."""
    columns = ("gated metric", "mean", "deviation of one repeat", "margin", "could see", "repeats")
    rows = tuple((metric_cell(f), *map(Cell, wording.measured(f))) for f in findings[:ROWS])
    return Table("Measured, with no baseline yet", columns, rows, left_out=max(len(findings) - ROWS, 0))


def proposal(context: Context) -> Section | None:
    """Show the baseline that the change brings, old beside new; None if it brings none."""
    brought = context.comparison.proposal
    if brought is None:
        return None
    return Section("proposal", "The change proposes", tuple(_proposal(brought)))


def _proposal(brought: Proposal) -> Iterator[Block]:
    accepted = brought.accepted
    about = (
        ("label", accepted.label),
        ("reason", accepted.reason),
        ("by", brought.by),
        ("accepted", accepted.at),
    )
    yield Table("The proposed baseline", ("", ""), tuple((Cell(k), Cell(v)) for k, v in about))
    rows = tuple(map(_replaced, brought.figures[:ROWS]))
    left_out = max(len(brought.figures) - ROWS, 0)
    if rows:
        columns = ("gated metric", "at the merge base", "proposed")
        yield Table("Figures that it would replace", columns, rows, left_out=left_out)
    for caption, lines in (
        ("Changes of gates, margins, reference and scores", brought.gates),
        ("Why it does not count", brought.withheld),
    ):
        if lines:
            yield Table(caption, ("",), tuple((Cell(line),) for line in lines[:ROWS]))


def _replaced(figure: Proposed) -> tuple[Cell, ...]:
    shown = wording.together([v for v in (figure.before, figure.after) if v is not None])
    before = shown[0] if len(shown) > 1 else "none"
    return Cell(figure.name, note=wording.point(figure.at)), Cell(before), Cell(shown[-1])


def reasons(context: Context) -> Section | None:
    """Show the reasons of verdicts that are not *unchanged*, and the differences of the sides; None without any."""
    findings = wording.worst_first(context.comparison.findings)
    blocks = [*_why(findings), *_beside(findings), *_suite(context), *_differences(findings)]
    return Section("why", "Why", tuple(blocks)) if blocks else None


def _why(findings: Sequence[Finding]) -> Iterator[Table]:
    told = [f for f in findings if f.verdict not in (None, Verdict.UNCHANGED) and f.reason]
    # There are hundreds of findings against the reference point; their reasons add nothing to their rows.
    told = [f for f in told if f.gated or f.against is None]
    if told:
        left_out = max(len(told) - ROWS, 0)
        rows = tuple(map(_reason, told[:ROWS]))
        yield Table("Reasons, worst first", ("metric", "verdict and reason"), rows, left_out=left_out)


def _beside(findings: Sequence[Finding]) -> Iterator[Table]:
    told = wording.beside(findings)
    if told:
        rows = tuple((Cell(names), Cell(sentence)) for names, sentence in told[:ROWS])
        left_out = max(len(told) - ROWS, 0)
        yield Table("Beside the verdicts", ("metrics", "to know"), rows, left_out=left_out)


def _reason(finding: Finding) -> tuple[Cell, Cell]:
    """Return only two cells, so that sentences fit on a phone."""
    notes = (wording.evidence(finding), "" if finding.executed else "not re-executed")
    return (
        replace(metric_cell(finding), tone=verdict_cell(finding).tone),
        Cell(f"{finding.verdict}: {finding.reason}", note="; ".join(filter(None, notes))),
    )


def _suite(context: Context) -> Iterator[Table]:
    if changes := context.changes:
        yield differences_table(
            "The suite differs: what somebody changed",
            [(d, "") for d in changes[:ROWS]],
            "",
            left_out=max(len(changes) - ROWS, 0),
        )


def _differences(findings: Sequence[Finding]) -> Iterator[Table]:
    protocol: dict[str, tuple[Difference, list[str]]] = {}
    for f in findings:
        for d in f.differences:
            protocol.setdefault(str(d), (d, []))[1].append(f.name)
    if protocol:
        yield differences_table(
            "What makes the scores incomparable",
            [
                (d, wording.listed(list(dict.fromkeys(names)), 3))
                for d, names in list(protocol.values())[:ROWS]
            ],
            "metrics",
            left_out=max(len(protocol) - ROWS, 0),
        )
    causes = {str(d): d for f in findings for d in f.causes}
    if causes:
        yield differences_table(
            "The environment differs: a likely cause of change, never a reason not to compare",
            [(d, "") for d in list(causes.values())[:ROWS]],
            "",
            left_out=max(len(causes) - ROWS, 0),
        )


def differences_table(
    caption: str, rows: Iterable[tuple[Difference, str]], beside: str, left_out: int = 0
) -> Table:
    """Make a table of fields with both sides' values, and what each field concerns, if ``beside`` names that."""
    columns = ("field", "baseline", "candidate", *([beside] if beside else []))
    cells = tuple(
        (Cell(d.field), side_cell(d.baseline), side_cell(d.candidate), *([Cell(note)] if beside else []))
        for d, note in rows
    )
    return Table(caption, columns, cells, left_out=left_out)


def side_cell(value: object) -> Cell:
    return Cell("absent", tone="quiet") if value is None else Cell(str(value))


def within(context: Context) -> Section | None:
    """Show the points of the run against its reference point; None if the suite names no reference."""
    inner = [f for f in wording.worst_first(context.comparison.findings) if f.against is not None]
    references = {canonical(f.against): f.against for f in inner if f.against is not None}
    blocks = tuple(
        table(
            f"Against {wording.point(reference)}, worst first",
            [f for f in inner if f.against == reference],
            "reference",
            ROWS,
        )
        for reference in references.values()
    )
    lead = "The points of this run against its reference point, at equal seeds."
    return Section("within", "Within the run", blocks, lead, folded=True) if blocks else None


def others(context: Context) -> Section | None:
    """Show what is reported but not gated: findings, values without comparison, scores of one side only."""
    run, comparison = context.run, context.comparison
    ungated = [f for f in wording.worst_first(comparison.findings) if not f.gated and f.against is None]
    blocks: list[Block] = []
    if ungated:
        blocks.append(table("Compared, not gated", ungated, "baseline", ROWS))
    blocks += _alone(run, comparison)
    for caption, points in (
        ("Missing: only in the baseline", comparison.missing),
        ("New: not in the baseline", comparison.new),
        ("Not run: deselected", comparison.not_run),
    ):
        if points:
            blocks.append(_points(caption, points))
    return Section("others", "Not gated", tuple(blocks), folded=bool(comparison.baseline)) if blocks else None


def _alone(run: Run, comparison: Comparison) -> Iterator[Table]:
    rows = wording.uncompared(run, comparison)
    if rows:
        cells = tuple(
            (Cell(name), Cell(wording.point(at)), Cell(", ".join(wording.together(values))))
            for name, at, values in rows[:ROWS]
        )
        columns = ("metric", "point", "one value per repeat")
        yield Table("Values without a baseline", columns, cells, left_out=max(len(rows) - ROWS, 0))


def _points(caption: str, points: Sequence[Point]) -> Table:
    rows = tuple((Cell(p.metric), Cell(wording.point(p.point))) for p in points[:ROWS])
    return Table(caption, ("metric", "point"), rows, left_out=max(len(points) - ROWS, 0))


MOST = 60
"""Maximum number of rows drawn; the table has more."""
IN_TABLE = 200
ROW, PLACE = 44.0, 15.0
"""Height of a row in pixels, and its extra height if the point needs its own line."""
HEAD = 26.0
LEAST_RANGE, GREATEST_RANGE = 2.0, 4.0
"""Least and greatest range of the axis to either side of 0, in margins; values beyond are arrows at the edge."""
STRIP_FROM, STRIP_TO = 0.015, 0.56
"""Start and end of a row's strip, as shares of the width; the numbers are to its right."""
NAME = 40
"""Characters of a name and its point that fit next to the verdict on a phone."""
LINE = 58
"""Characters that fit on a full line on a phone."""


def forest(findings: Sequence[Finding]) -> Chart:
    """Draw a row per finding, worst first: effect, interval, margin, and verdict as colour, shape and word."""
    rows = wording.worst_first(findings)
    shown = rows[:MOST]
    reach = max((abs(v) for f in shown for v in _spread(f) if math.isfinite(v)), default=0.0)
    axis = _Axis(min(max(LEAST_RANGE, math.ceil(reach * 1.05)), GREATEST_RANGE))
    tops = list(accumulate((_height(f) for f in shown), initial=HEAD))
    height = tops[-1]
    drawn = [_drawn_row(f, top, axis) for f, top in zip(shown, tops, strict=False)]
    title = "Effect, interval and margin"
    svg = drawing(
        title, _told(findings), height, *_frame(axis, height, f"{confidence(shown)} interval"), *drawn
    )
    return Chart(title, svg, _caption(shown, len(rows), axis), table(title, rows, "baseline", IN_TABLE))


@dataclass(frozen=True)
class _Axis:
    """Converts margins to shares of the width."""

    reach: float

    def at(self, margins: float) -> float:
        """Return the position within the strip; values beyond it are at its edge."""
        kept = min(max(margins, -self.reach), self.reach)
        return STRIP_FROM + (STRIP_TO - STRIP_FROM) * (kept + self.reach) / (2 * self.reach)


def _in_margins(finding: Finding, value: float) -> float:
    """Return a change in units of the margin, positive if worse; infinite if the margin is 0."""
    worse = value if finding.better == "lower" else -value
    if finding.margin:
        return worse / finding.margin
    return worse if worse == 0.0 or math.isnan(worse) else math.copysign(math.inf, worse)


def _spread(finding: Finding) -> list[float]:
    """Return low, change and high in margins; empty if there is nothing to draw."""
    e = finding.estimate
    if e is None or e.low is None or e.high is None or finding.margin is None:
        return []
    low, change, high = (_in_margins(finding, v) for v in (e.low, e.change, e.high))
    return [] if any(map(math.isnan, (low, change, high))) else [min(low, high), change, max(low, high)]


def _frame(axis: _Axis, height: float, interval: str) -> list[Markup]:
    """Draw the column headings and the line of no change."""
    return [
        text("← better", "0%", 12, fill=QUIET),
        text("± margin", percent(axis.at(0)), 12, text_anchor="middle", fill=QUIET),
        text("worse →", percent(STRIP_TO), 12, text_anchor="end", fill=QUIET),
        text(f"change, {interval}", "100%", 12, text_anchor="end", fill=QUIET),
        rule(percent(axis.at(0)), HEAD - 6, percent(axis.at(0)), height, QUIET, stroke_dasharray="2 3"),
    ]


def _height(finding: Finding) -> float:
    return ROW if _fits(finding) else ROW + PLACE


def _fits(finding: Finding) -> bool:
    """Whether name and point fit on one line."""
    return len(finding.name) + 1 + len(wording.place(finding)) <= NAME


def _drawn_row(finding: Finding, top: float, axis: _Axis) -> Markup:
    """Draw name, point and verdict, and below them strip and numbers."""
    place, word = fitted(wording.place(finding), LINE), str(finding.verdict or "not judged")
    name = element("tspan", fitted(finding.name, NAME), font_weight=600)
    height = _height(finding)
    verdict = text(
        word, "100%", top + 15, text_anchor="end", fill=verdict_colour(finding.verdict), font_weight=600, font_size=12
    )  # fmt: skip
    line = rule("0%", top + height - 1, "100%", top + height - 1, RULE, stroke_width=0.5)
    if _fits(finding):
        labels = [element("text", name, f" {place}" if place else "", x="0%", y=top + 15, font_size=12)]
    else:
        labels = [
            element("text", name, x="0%", y=top + 15, font_size=12),
            text(place, "0%", top + 15 + PLACE),
        ]
    return element("g", *labels, verdict, *_strip(finding, top + height - 15, axis), line)


def _strip(finding: Finding, y: float, axis: _Axis) -> list[Markup]:
    figures = wording.figures(finding)
    spread = _spread(finding)
    if not spread:
        reason = " ".join(filter(None, (figures.change, figures.interval))) or finding.reason
        return [text(fitted(reason, 2 * NAME), "0%", y + 4, fill=QUIET)]
    told = text(f"{figures.change} {figures.interval}", "100%", y + 4, text_anchor="end")
    return [*_interval(finding, spread, y, axis), told]


def _interval(finding: Finding, spread: Sequence[float], y: float, axis: _Axis) -> list[Markup]:
    low, change, high = spread
    left, right = axis.at(-1), axis.at(1)
    band = element(
        "rect", x=percent(left), y=y - 9, width=percent(right - left), height=18, fill=RULE, fill_opacity=0.5
    )
    hue = verdict_colour(finding.verdict)
    dashes = {"stroke_dasharray": "4 3"} if finding.verdict is Verdict.INCOMPARABLE else {}
    bar = rule(percent(axis.at(low)), y, percent(axis.at(high)), y, hue, stroke_width=2.5, **dashes)
    caps = [
        rule(percent(axis.at(v)), y - 4, percent(axis.at(v)), y + 4, hue, stroke_width=1.5)
        for v in (low, high)
        if abs(v) <= axis.reach and low != high
    ]
    arrows = [
        mark(percent(axis.at(v)), y, "right" if v > 0 else "left", hue, size=0.7)
        for v in (low, high)
        if abs(v) > axis.reach and abs(change) <= axis.reach
    ]
    centre = verdict_mark(percent(axis.at(change)), y, finding.verdict, about=_tip(finding))
    return [band, bar, *caps, *arrows, centre]


def _tip(finding: Finding) -> str:
    figures = wording.figures(finding)
    return (
        f"{wording.label(finding)}: {figures.baseline} → {figures.candidate}, change {figures.change} "
        f"{figures.interval}, margin {figures.margin}; {figures.repeats}. {finding.reason}"
    )


def _told(findings: Sequence[Finding]) -> str:
    return (
        f"{wording.counted(len(findings), 'metric')}: {wording.tally(findings)}. The table has the numbers."
    )


def _caption(shown: Sequence[Finding], of: int, axis: _Axis) -> str:
    parts = [
        f"Change against the baseline in units of each metric's own margin, its {confidence(shown)} interval, and the "
        "band within the margin. Worse is to the right, whichever way the metric counts; the numbers keep the metric's "
        "own sign."
    ]
    if any(abs(v) > axis.reach for f in shown for v in _spread(f)):
        parts.append(f"What lies beyond {axis.reach:g} margins stands at the edge.")
    if any(f.verdict is Verdict.INCOMPARABLE and _spread(f) for f in shown):
        parts.append("A dashed interval is between figures of different protocols.")
    if len(shown) < of:
        parts.append(f"The worst {len(shown):,} of {of:,} are drawn.")
    return " ".join(parts)
