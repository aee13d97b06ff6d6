"""The forest plot: the change of each metric, its interval, and its margin.

Metrics have different units, so each change is drawn in units of its own margin, with worse to the right. The numbers
next to it are in the metric's unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from markupsafe import Markup

from harness.compare import wording
from harness.compare.comparison import Finding, Verdict
from harness.report.finding_text import confidence
from harness.report.html.context import table
from harness.report.html.parts import Chart
from harness.report.html.svg import (
    QUIET,
    RULE,
    drawing,
    element,
    fitted,
    mark,
    percent,
    rule,
    text,
    verdict_colour,
    verdict_mark,
)

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
    drawn = [_row(f, top, axis) for f, top in zip(shown, tops, strict=False)]
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


def _row(finding: Finding, top: float, axis: _Axis) -> Markup:
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
