"""Every repeat of every gated metric, to see whether a verdict depends on one seed or on all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from harness.compare import Finding, Verdict, wording
from harness.compare.match import in_point
from harness.report.html.context import Context, baselines, verdict_colour
from harness.report.html.parts import Cell, Chart, Section, Table
from harness.report.html.svg import (
    INK,
    QUIET,
    RULE,
    Scale,
    drawing,
    element,
    fitted,
    mark,
    percent,
    rule,
    scale,
    text,
)
from harness.store.record import Score

MOST = 12
"""Maximum number of rows drawn."""
SEEDS = 60
"""Maximum number of dots per side and row."""
IN_TABLE = 200
ROW = 84.0
FROM, TO = 0.22, 0.97
"""Range of a row's dots, as shares of the width; the names of the sides are to its left."""


@dataclass(frozen=True)
class Row:
    """One field on both sides, by repeat."""

    name: str
    better: str
    baseline: Mapping[str, float]
    """Repeat in words → value."""
    candidate: Mapping[str, float]
    verdict: Verdict | None
    paired: bool


def dots(rows: Sequence[Row]) -> Chart:
    """Draw a row per field on its own scale: baseline above, candidate below, equal seeds joined."""
    drawn = [m for i, row in enumerate(rows[:MOST]) for m in _dots_row(row, i * ROW)]
    told = f"{wording.counted(len(rows), 'metric')}, each repeat of the baseline and of the candidate."
    svg = drawing("Every repeat", told, ROW * len(rows[:MOST]), *drawn)
    joined = " Equal seeds are joined." if any(r.paired for r in rows) else ""
    cut = f" The worst {MOST} of {len(rows):,} metrics are drawn." if len(rows) > MOST else ""
    caption = (
        "A dot is one repeat, baseline above and candidate below, the upright line their mean; worse is to the "
        f"right.{joined}{cut}"
    )
    return Chart("Every repeat", svg, caption, _table(rows))


def _dots_row(row: Row, top: float) -> list[Markup]:
    values = [v for side in (row.baseline, row.candidate) for v in list(side.values())[:SEEDS]]
    axis = scale(values, pad=0.08)
    hue = verdict_colour(row.verdict)
    upper, lower = top + 32, top + 54
    shared = [s for s in list(row.baseline)[:SEEDS] if s in row.candidate] if row.paired else []
    lines = [
        rule(
            _across(row, axis, row.baseline[s]), upper, _across(row, axis, row.candidate[s]), lower, QUIET,
            stroke_opacity=0.6,
        )
        for s in shared
    ]  # fmt: skip
    best, worst = min(values), max(values)
    if row.better == "higher":
        best, worst = worst, best
    labels = wording.together([best, worst])
    named = element("tspan", fitted(row.name, 40), font_weight=600)
    return [
        element("text", named, f" {row.better} is better", x="0%", y=top + 14, font_size=12),
        *_side(row, axis, "baseline", row.baseline, upper, QUIET, filled=False),
        *lines,
        *_side(row, axis, "candidate", row.candidate, lower, hue if row.verdict else INK, filled=True),
        *(
            text(told, _across(row, axis, v), top + 75, text_anchor="middle", fill=QUIET)
            for v, told in dict(zip((best, worst), labels, strict=True)).items()
        ),
        rule("0%", top + ROW - 1, "100%", top + ROW - 1, RULE, stroke_width=0.5),
    ]


def _across(row: Row, axis: Scale, value: float) -> str:
    share = axis.at(value) if row.better == "lower" else 1 - axis.at(value)
    return percent(FROM + (TO - FROM) * share)


def _side(
    row: Row, axis: Scale, name: str, values: Mapping[str, float], y: float, hue: str, *, filled: bool
) -> list[Markup]:
    """Draw a line with its dots and their mean."""
    label = text(name, "0%", y + 4, fill=QUIET)
    shown = list(values.items())[:SEEDS]
    if not shown:
        return [label, text("no figures", percent(FROM), y + 4, fill=QUIET)]
    mean = _across(row, axis, fmean(values.values()))
    return [
        label,
        rule(percent(FROM), y, percent(TO), y, RULE),
        rule(mean, y - 9, mean, y + 9, hue, stroke_width=2),
        *(
            mark(_across(row, axis, v), y, "circle", hue, filled=filled, about=f"{seed}: {wording.number(v)}")
            for seed, v in shown
        ),
    ]


def _table(rows: Sequence[Row]) -> Table:
    """Make a table with a row per field and repeat."""
    cells = []
    for row in rows:
        for seed in dict.fromkeys([*row.baseline, *row.candidate]):
            old, new = row.baseline.get(seed, math.nan), row.candidate.get(seed, math.nan)
            before, after, change = (
                wording.number(v) if math.isfinite(v) else "" for v in (old, new, new - old)
            )
            cells.append(
                (
                    Cell(row.name),
                    Cell(seed),
                    Cell(before, sort=None if math.isnan(old) else old),
                    Cell(after, sort=None if math.isnan(new) else new),
                    Cell(change if row.paired else "", sort=None if math.isnan(new - old) else new - old),
                )
            )
    columns = ("metric", "repeat", "baseline", "candidate", "change")
    return Table(
        "Every repeat", columns, tuple(cells[:IN_TABLE]), frozenset({2, 3, 4}), max(len(cells) - IN_TABLE, 0)
    )


def seeds(context: Context) -> Section | None:
    """Show the repeats; None if no gated metric was repeated over seeds."""
    theirs = baselines(context)
    gated = [f for f in wording.worst_first(context.comparison.findings) if f.gated and f.against is None]
    rows = [row for f in gated if (row := _row(context, f, theirs))]
    return Section("seeds", "Seed by seed", (dots(rows),)) if rows else None


def _row(context: Context, finding: Finding, theirs: dict[int, Score]) -> Row | None:
    run = context.run
    info = run.metrics.get(finding.metric)
    if info is None or finding.field not in info.fields:
        return None
    scores = [s for s in run.scores if s.metric == finding.metric and s.complete and in_point(s, finding.at)]
    compared = [s for s in scores if id(s) in theirs]
    ours = _by_seed(compared or scores, finding.field)
    if len(ours) < 2:
        return None
    before = [theirs[id(s)] for s in compared]
    other = _by_seed(before, finding.field) if all(_has(s, finding.field) for s in before) else {}
    is_comparable = finding.verdict is not Verdict.INCOMPARABLE
    paired = is_comparable and finding.estimate is not None and finding.estimate.paired
    place = wording.place(finding)
    name = f"{finding.name} ({place})" if place else finding.name
    return Row(name, finding.better, other, ours, finding.verdict, paired)


def _has(score: Score, field: str) -> bool:
    return all(field in r.values for r in score.repeats)


def _by_seed(scores: Sequence[Score], field: str) -> dict[str, float]:
    """Return seeds in words → mean over the points, for the seeds that every point has."""
    values: dict[str, list[float]] = {}
    for score in scores:
        for repeat in score.repeats:
            if repeat.seeds:
                seeds = wording.point(dict(sorted(repeat.seeds.items())))
                values.setdefault(seeds, []).append(repeat.values[field])
    return {seeds: fmean(v) for seeds, v in values.items() if len(v) == len(scores)}
