"""Ranks with confidence: for every row the range of ranks that the repeats support.

A row's ranks run from 1 + the number of rows that are surely better to n − the number that are surely worse. All these
claims hold together with a probability of at least 1 − alpha, and then every row's true rank is within its range. Rows
that cannot be distinguished need no order, so it does not matter that being indistinguishable is not transitive.

Sources: Klein, Wright and Wieczorek (2020), "A joint confidence region for an overall ranking of populations"
(``by_intervals``); Mohamad, Goeman and van Zwet (2022), "Simultaneous confidence intervals for ranks" (from pairwise
tests, ``by_differences``).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.compare.claim import claim_of, mixed, named, unproven
from harness.compare.evidence import Evidence, gather
from harness.compare.match import Pair
from harness.compare.sample import alone, lacks_timing
from harness.compare.stats import ALPHA, Estimate, holm
from harness.leaderboard import Ranks
from harness.leaderboard.groups import Row, RowGroup, better_of


def by_differences(rows: int, p_better: Callable[[int, int], float], alpha: float = ALPHA) -> list[Ranks]:
    """Rank rows by a test of every pair, with Holm's correction over all tests.

    Args:
        rows: number of rows; the work is quadratic in it.
        p_better: the one-sided p-value of H0 "row i is not better than row j".
        alpha: maximum probability that any row's true rank is outside its range.
    """
    claims = [(i, j) for i in range(rows) for j in range(rows) if i != j]
    survives = holm([p_better(i, j) for i, j in claims], alpha)
    better, worse = [0] * rows, [0] * rows
    for (i, j), sure in zip(claims, survives, strict=True):
        better[j] += sure
        worse[i] += sure
    return [Ranks(1 + above, rows - below) for above, below in zip(better, worse, strict=True)]


def by_intervals(estimates: Sequence[Estimate | None], *, lower: bool, alpha: float = ALPHA) -> list[Ranks]:
    """Rank rows by their own intervals, which hold together with confidence 1 − alpha (Bonferroni).

    For rows that share no repeats, or that are too many for a test of every pair. Pessimistic if they share some.

    Args:
        estimates: estimate of each row's mean; None if unknown: the row may then have any rank.
        lower: whether the lower value is the better one.
        alpha: as in ``by_differences``.
    """
    n = len(estimates)
    bounds = [None if e is None else e.interval(1 - alpha / n) for e in estimates]
    if not lower:
        bounds = [None if b is None else (-b[1], -b[0]) for b in bounds]
    known = [b for b in bounds if b is not None]
    lows, highs = sorted(low for low, _ in known), sorted(high for _, high in known)
    return [
        Ranks(1, n)
        if b is None
        else Ranks(1 + bisect_left(highs, b[0]), n - (len(lows) - bisect_right(lows, b[1])))
        for b in bounds
    ]


MOST_PAIRS = 60
"""Maximum number of rows for which all pairs are compared (3,540 claims). For more, each row's own interval is used."""

DIFFERENCES = (
    "With 95 % confidence all ranks hold at once. Each row was compared with each on the seeds or items that both "
    "have, with Holm's correction over all {claims:,} claims: a row's ranks run from 1 + the rows that are surely "
    "better to {n} − those that are surely worse."
)
INTERVALS = (
    "With 95 % confidence all ranks hold at once. The rows are too many to compare each with each: a row's ranks "
    "run from 1 + the rows whose interval is surely better to {n} − those whose interval is surely worse."
)
UNTIMED = "Not ranked, for want of timings: what was timed came from the store (run it with --fresh STAGE)."
ALL_TIED = (
    " With these repeats no two rows can be told apart: "
    "more seeds would help, or a smaller question (--paired ROW)."
)


def ranked(group: RowGroup) -> tuple[dict[int, Ranks], str]:
    """Return ``id`` of the row → its ranks, and the method. Ranks only rows with a value, if at least two have one."""
    if group.by is None:
        return {}, ""
    metric, field = group.by
    complete = [r for r in group.rows if metric in r.scores and r.scores[metric].complete]
    rows = [r for r in complete if not lacks_timing([r.scores[metric]], r.entry.side)]
    if len(rows) < 2:
        return {}, UNTIMED if len(complete) > len(rows) else ""
    lower = better_of(group, metric, field) == "lower"
    if len(rows) <= MOST_PAIRS:
        evidence = {
            (i, j): _evidence(rows[i], rows[j], metric, field)
            for i in range(len(rows))
            for j in range(i + 1, len(rows))
        }

        def p_better(i: int, j: int) -> float:
            """Return p that row i is not better; the candidate of the evidence is the row with the smaller index."""
            return _p_higher(evidence[min(i, j), max(i, j)], is_candidate=(i < j) is not lower)

        ranks = by_differences(len(rows), p_better)
        method = DIFFERENCES.format(n=len(rows), claims=len(rows) * (len(rows) - 1))
    else:
        estimates = [_alone(row, metric, field) for row in rows]
        ranks = by_intervals(estimates, lower=lower)
        method = INTERVALS.format(n=len(rows))
    if all(r == (1, len(rows)) for r in ranks):
        method += ALL_TIED
    once = dict.fromkeys(n for row in rows for n in row.entry.run.metrics[metric].subject.once)
    if once:
        method += f" Not repeated, so that ranks are of these executions of it: {named(once)}."
    return {id(row): r for row, r in zip(rows, ranks, strict=True)}, method


def _evidence(ours: Row, theirs: Row, metric: str, field: str) -> Evidence:
    pair = Pair(ours.scores[metric], theirs.scores[metric])
    found = gather([pair], field, ours.entry.side, theirs.entry.side)
    claim = claim_of(found.pairs, *(row.entry.run.metrics[metric] for row in (ours, theirs)))
    several = [mixed([s]) for p in found.pairs for s in (p.candidate, p.baseline)]
    if why := unproven(claim) or ("rests on several executions" if any(several) else ""):
        return replace(found, silent=why)
    return found


def _p_higher(evidence: Evidence, *, is_candidate: bool) -> float:
    """Return the one-sided p of H0 "the candidate's (else the baseline's) mean is not the higher one"."""
    if evidence.spread is None or evidence.lacking or evidence.silent:
        return 1.0
    return evidence.spread.p_at_most(0.0) if is_candidate else evidence.spread.p_at_least(0.0)


def _alone(row: Row, metric: str, field: str) -> Estimate | None:
    """Return the estimate of a row's mean; None if there are too few repeats."""
    return alone([row.scores[metric]], field, row.entry.side)
