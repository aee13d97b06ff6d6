"""The details of scores: tables that a metric leaves for readers. A baseline has none; the store may still."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.artifact import Json
from harness.compare.match import in_point, match
from harness.errors import StoreError
from harness.record import Repeat, Score
from harness.report.html.context import Context
from harness.store import Store


@dataclass(frozen=True)
class Shown:
    """The score of a metric that a page shows in full, and the baseline's beside it, where it has one."""

    candidate: Score
    baseline: Score | None
    gated: bool


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
    """For each metric that leaves a detail called ``name``, gated ones first: its score at the reference point, or
    the first there is.
    """
    run = context.run
    gated = {g.metric for g in run.gates}
    chosen: dict[str, Score] = {}
    for score in run.scores:
        if score.complete and any(name in r.details for r in score.repeats):
            is_reference = bool(run.reference) and in_point(score, run.reference)
            if score.metric not in chosen or is_reference:
                chosen[score.metric] = score
    theirs = baselines(context)
    for metric in sorted(chosen, key=lambda m: m not in gated):
        score = chosen[metric]
        yield Shown(score, theirs.get(id(score)), metric in gated)


def baselines(context: Context) -> dict[int, Score]:
    """By the identity of a score of the run, the baseline's complete score that it is compared with."""
    if context.baseline is None:
        return {}
    pairs = match(context.run, context.baseline.run).pairs
    return {id(p.candidate): p.baseline for p in pairs if p.baseline.complete}
