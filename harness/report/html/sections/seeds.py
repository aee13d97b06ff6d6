"""Every repeat of every gated metric: whether one seed carries a verdict, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from harness.compare.comparison import Finding, Verdict
from harness.compare.match import in_point
from harness.record import Score
from harness.report import numbers
from harness.report.html.charts.dots import Row, dots
from harness.report.html.context import Context
from harness.report.html.details import baselines
from harness.report.html.parts import Section


def seeds(context: Context) -> Section | None:
    """None where no gated metric was repeated over seeds."""
    theirs = baselines(context)
    gated = [f for f in numbers.worst_first(context.comparison.findings) if f.gated and f.against is None]
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
    place = numbers.place(finding)
    name = f"{finding.name} ({place})" if place else finding.name
    return Row(name, finding.better, other, ours, finding.verdict, paired)


def _has(score: Score, field: str) -> bool:
    return all(field in r.values for r in score.repeats)


def _by_seed(scores: Sequence[Score], field: str) -> dict[str, float]:
    """Seeds in words → mean over the points, for the seeds that every point has."""
    values: dict[str, list[float]] = {}
    for score in scores:
        for repeat in score.repeats:
            if repeat.seeds:
                seeds = numbers.point(dict(sorted(repeat.seeds.items())))
                values.setdefault(seeds, []).append(repeat.values[field])
    return {seeds: fmean(v) for seeds, v in values.items() if len(v) == len(scores)}
