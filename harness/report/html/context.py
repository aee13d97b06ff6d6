"""The details of scores: tables that a metric leaves for readers. A baseline has none; the store may still."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.artifact import Json
from harness.compare.comparison import Finding, Verdict
from harness.compare.match import in_point, match
from harness.errors import StoreError
from harness.record import Repeat, Score
from harness.report import numbers
from harness.report.html.context import Context
from harness.store import Store


@dataclass(frozen=True)
class Shown:
    """The score of a metric that a page shows in full, and the baseline's beside it, where it has one."""

    candidate: Score
    baseline: Score | None
    gated: bool
    points: int
    """Of the metric, this one included."""


def details(repeat: Repeat, store: Store) -> Mapping[str, Json]:
    """Of a repeat, from its record or else from the store; empty where neither has any."""
    if repeat.details:
        return repeat.details
    try:
        entry = store.get(repeat.key)
    except StoreError:
        return {}
    return entry.result.details if entry and entry.result else {}


def shown(context: Context, name: str) -> Iterator[Shown]:
    """For each metric that leaves a detail called ``name``, gated ones first and of them the worst: its score at the
    point that regressed most, or at the reference point, or the first there is.
    """
    run = context.run
    findings = numbers.worst_first(context.comparison.findings)
    places = {f.metric: i for i, f in reversed([*enumerate(f for f in findings if f.gated)])}
    regressed = _regressed(findings)
    found: dict[str, list[Score]] = {}
    for score in run.scores:
        if score.complete and any(name in r.details for r in score.repeats):
            found.setdefault(score.metric, []).append(score)

    def fits(score: Score) -> tuple[bool, bool]:
        at = regressed.get(score.metric)
        return (
            at is not None and in_point(score, at),
            bool(run.reference) and in_point(score, run.reference),
        )

    gated = {g.metric for g in run.gates}
    theirs = baselines(context)
    for metric in sorted(found, key=lambda m: (m not in gated, places.get(m, len(findings)))):
        score = max(found[metric], key=fits)
        yield Shown(score, theirs.get(id(score)), metric in gated, len(found[metric]))


def _regressed(findings: Sequence[Finding]) -> dict[str, Mapping[str, Json]]:
    """Metric → the point where it regressed most, for the metrics that did at one.

    Args:
        findings: worst first.
    """
    worse = [
        f for f in findings if f.at and f.verdict is Verdict.REGRESSED and (f.gated or f.against is None)
    ]
    return {f.metric: f.at for f in reversed(worse)}


def baselines(context: Context) -> dict[int, Score]:
    """By the identity of a score of the run, the baseline's complete score that it is compared with."""
    if context.baseline is None:
        return {}
    pairs = match(context.run, context.baseline.run).pairs
    return {id(p.candidate): p.baseline for p in pairs if p.baseline.complete}
