"""Which ranks the rows of a group may have."""

from __future__ import annotations

from harness.compare.match import Pair
from harness.compare.ranks import Ranks, by_differences, by_intervals
from harness.compare.sample import Evidence, alone, gather
from harness.compare.stats import Estimate
from harness.leaderboard.groups import RowGroup
from harness.leaderboard.rows import Row

MOST_PAIRS = 60
"""Up to so many rows each is compared with each: 3,540 claims. Beyond, the rows' own intervals have to do."""

DIFFERENCES = (
    "With 95 % confidence all ranks hold at once. Each row was compared with each on the seeds or items that both "
    "have, with Holm's correction over all {claims:,} claims: a row's ranks run from 1 + the rows that are surely "
    "better to {n} − those that are surely worse."
)
INTERVALS = (
    "With 95 % confidence all ranks hold at once. The rows are too many to compare each with each: a row's ranks "
    "run from 1 + the rows whose interval is surely better to {n} − those whose interval is surely worse."
)
ALL_TIED = (
    " With these repeats no two rows can be told apart: "
    "more seeds would help, or a smaller question (--paired ROW)."
)


def ranked(group: RowGroup) -> tuple[dict[int, Ranks], str]:
    """By ``id`` of the row its ranks, for the rows that have the value, if two have; and how they were found."""
    if group.by is None:
        return {}, ""
    metric, field = group.by
    rows = [r for r in group.rows if metric in r.scores and r.scores[metric].complete]
    if len(rows) < 2:
        return {}, ""
    lower = better_of(rows, metric, field) == "lower"
    if len(rows) <= MOST_PAIRS:
        evidence = {
            (i, j): _evidence(rows[i], rows[j], metric, field)
            for i in range(len(rows))
            for j in range(i + 1, len(rows))
        }

        def p_better(i: int, j: int) -> float:
            """The candidate of the evidence is the row with the smaller index."""
            return _p_higher(evidence[min(i, j), max(i, j)], is_candidate=(i < j) is not lower)

        ranks = by_differences(len(rows), p_better)
        method = DIFFERENCES.format(n=len(rows), claims=len(rows) * (len(rows) - 1))
    else:
        estimates = [_alone(row, metric, field) for row in rows]
        ranks = by_intervals(estimates, lower=lower)
        method = INTERVALS.format(n=len(rows))
    if all(r == (1, len(rows)) for r in ranks):
        method += ALL_TIED
    return {id(row): r for row, r in zip(rows, ranks, strict=True)}, method


def better_of(rows: list[Row], metric: str, field: str) -> str:
    """The direction of a field, as the first run that has it declares it."""
    for row in rows:
        info = row.entry.run.metrics.get(metric)
        if info is not None and info.fields.get(field):
            return str((info.fields[field] or {})["better"])
    return "higher"


def _evidence(ours: Row, theirs: Row, metric: str, field: str) -> Evidence:
    pair = Pair(ours.scores[metric], theirs.scores[metric])
    return gather([pair], field, ours.entry.side, theirs.entry.side)


def _p_higher(evidence: Evidence, *, is_candidate: bool) -> float:
    """One-sided p of H0 "the candidate's (else the baseline's) mean is not the higher one"."""
    if evidence.spread is None or evidence.lacking or evidence.silent:
        return 1.0
    return evidence.spread.p_at_most(0.0) if is_candidate else evidence.spread.p_at_least(0.0)


def _alone(row: Row, metric: str, field: str) -> Estimate | None:
    """Of a row's mean; None where nothing, or too little, is repeated."""
    return alone([row.scores[metric]], field, row.entry.side)
