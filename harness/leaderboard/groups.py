"""Groups comparable rows into tables, compares each row of a table with one of them, and ranks them.

``harness.leaderboard.ranks`` explains the ranks and names the sources of the methods.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from harness.artifact import Json
from harness.compare.comparison import Difference, Finding
from harness.compare.contrast import Contrast
from harness.compare.decide import Judged, correct
from harness.compare.evidence import Evidence, gather
from harness.compare.match import Pair, differences, value_at
from harness.compare.sample import alone
from harness.compare.stats import Estimate
from harness.formats.strict_json import canonical
from harness.leaderboard.board import Column
from harness.leaderboard.ranks import Ranks, by_differences, by_intervals
from harness.leaderboard.rows import Row
from harness.store.project import order
from harness.store.record import Score

Name = tuple[str, str]
"""Metric and field."""


@dataclass
class RowGroup:
    """Rows that are comparable with one another, but not with rows of another group."""

    by: Name | None
    """Metric and field that rank the rows; None if none of their fields has a direction."""
    axes: set[str]
    """The axes that are compared, in which their protocols may differ."""
    rows: list[Row] = field(default_factory=list)
    known: dict[str, tuple[Score, Row]] = field(default_factory=dict)
    """Metric → the score that represents the group's protocol, with its row."""

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.axes |= row.axes
        for metric, score in row.scores.items():
            if metric not in self.known or (score.complete and not self.known[metric][0].complete):
                self.known[metric] = score, row

    def admits(self, row: Row) -> bool:
        """Whether a row has the metric that ranks the group, and the same protocol for every metric they share."""
        if self.by is None or self.by[0] not in row.scores or self.by[0] not in self.known:
            return False
        shared = [m for m in row.scores if m in self.known]
        return not any(between(*self.known[m], row.scores[m], row, self.axes | row.axes) for m in shared)


def grouped(rows: Sequence[Row], by: Name | None = None) -> list[RowGroup]:
    """Put rows into groups, in the order of the rows.

    Groups are formed starting with complete rows, then those with most axes and most metrics, so that they do not
    depend on the order in which runs are given. Ties are ordered by run number.

    Args:
        rows: rows of any runs.
        by: the metric and field to rank by, in groups that have it; by default the first that the first run gates.
    """
    first_to_last = sorted(
        rows,
        key=lambda r: (not r.is_complete, -len(r.axes), -len(r.scores), order(r.entry.run.id)),
    )
    groups: list[RowGroup] = []
    homes: dict[str, RowGroup] = {}
    earlier: list[RowGroup] = []
    run = None
    for row in first_to_last:
        if row.entry.run is not run:
            # Complete rows of one run know the same fields: they have equal protocols, or are not comparable.
            run, earlier = row.entry.run, list(groups)
        alike = _alike(row)
        if alike not in homes:
            home = next((g for g in (earlier if row.is_complete else groups) if g.admits(row)), None)
            if home is None:
                home = RowGroup(ranking(row, by), set(row.axes))
                groups.append(home)
            homes[alike] = home
        homes[alike].add(row)
    place = {id(row): n for n, row in enumerate(rows)}
    for group in groups:
        group.rows.sort(key=lambda r: place[id(r)])
    groups.sort(key=lambda g: place[id(g.rows[0])])
    suites = list(dict.fromkeys(g.rows[0].entry.run.suite for g in groups))
    return sorted(
        groups, key=lambda g: suites.index(g.rows[0].entry.run.suite)
    )  # groups of one suite are consecutive


def between(
    ours: Score, our_row: Row, theirs: Score, their_row: Row, masked: Collection[str]
) -> tuple[Difference, ...]:
    """Return where two protocols differ. Conditions are ignored if a score failed, since it has not observed them."""
    if not (ours.complete and theirs.complete):
        ours, theirs = replace(ours, repeats=()), replace(theirs, repeats=())
    return differences(theirs, ours, their_row.entry.run.defaults, our_row.entry.run.defaults, masked)


def apart(one: RowGroup, other: RowGroup) -> tuple[Difference, ...]:
    """Return why two groups are separate: the fields in which the protocols of their common metrics differ."""
    masked = one.axes | other.axes
    shared = [m for m in one.known if m in other.known]
    found: Iterable[Difference] = (d for m in shared for d in between(*one.known[m], *other.known[m], masked))
    unmasked = (d for m in shared for d in between(*one.known[m], *other.known[m], ()))
    return tuple({str(d): d for d in found}.values()) or tuple({str(d): d for d in unmasked}.values())


def ranking(row: Row, by: Name | None) -> Name | None:
    """Return the field that ranks a row: ``by``, else the first that its run gates, else the first with a direction."""
    run = row.entry.run
    gated = ((g.metric, g.field) for g in run.gates)
    fields = ((m, f) for m in row.scores for f, better in run.metrics[m].fields.items() if better)
    for metric, name in [*([by] if by else []), *gated, *fields]:
        if metric in row.scores and run.metrics[metric].fields.get(name):
            return metric, name
    return None


def _alike(row: Row) -> str:
    """Return a key that is equal for rows whose protocols are equal field by field, as for most rows of a run."""
    whole = {m: s.whole_protocol() if s.complete else s.protocol for m, s in row.scores.items()}
    masked: dict[str, Json] = {m: {k: v for k, v in p.items() if k not in row.axes} for m, p in whole.items()}
    return canonical(masked)


def paired_with(
    group: RowGroup, reference: Row, columns: Sequence[Column]
) -> dict[int, list[Finding | None]]:
    """Return ``id`` of the row → its change from the reference per column; None if one of them lacks the metric.

    The margins are those of the gates of the reference's run. Holm's correction covers all verdicts.
    """
    judged: list[tuple[Row, int, Judged]] = []
    for row in group.rows:
        if row is reference:
            continue
        contrast = Contrast(row.entry.side, reference.entry.side, _point(group, reference))
        for n, column in enumerate(columns):
            if column.metric in row.scores and column.metric in reference.scores:
                judged.append((row, n, _judge(contrast, row, reference, column)))
    findings: dict[int, list[Finding | None]] = {id(row): [None] * len(columns) for row in group.rows}
    corrected = correct([j for _, _, j in judged])
    for (row, n, _), finding in zip(judged, corrected, strict=True):
        findings[id(row)][n] = finding
    return findings


def _judge(contrast: Contrast, row: Row, reference: Row, column: Column) -> Judged:
    gates = reference.entry.run.gates
    gate = next((g for g in gates if (g.metric, g.field) == (column.metric, column.field)), None)
    pair = Pair(row.scores[column.metric], reference.scores[column.metric])
    return contrast.judge([pair], column.field, row.point, gate, gated=gate is not None)


def _point(group: RowGroup, reference: Row) -> dict[str, Json]:
    """Return the reference's values on the compared axes, as far as they are known."""
    return {
        axis: value_at(score, axis)
        for axis in sorted(group.axes)
        for score in reference.scores.values()
        if axis in score.settings or axis in score.point
    }


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
ALL_TIED = (
    " With these repeats no two rows can be told apart: "
    "more seeds would help, or a smaller question (--paired ROW)."
)


def ranked(group: RowGroup) -> tuple[dict[int, Ranks], str]:
    """Return ``id`` of the row → its ranks, and the method. Ranks only rows with a value, if at least two have one."""
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
    return {id(row): r for row, r in zip(rows, ranks, strict=True)}, method


def better_of(rows: list[Row], metric: str, field: str) -> str:
    """Return the direction of a field, as declared by the first run that has it."""
    for row in rows:
        info = row.entry.run.metrics.get(metric)
        if info is not None and info.fields.get(field):
            return str((info.fields[field] or {})["better"])
    return "higher"


def _evidence(ours: Row, theirs: Row, metric: str, field: str) -> Evidence:
    pair = Pair(ours.scores[metric], theirs.scores[metric])
    return gather([pair], field, ours.entry.side, theirs.entry.side)


def _p_higher(evidence: Evidence, *, is_candidate: bool) -> float:
    """Return the one-sided p of H0 "the candidate's (else the baseline's) mean is not the higher one"."""
    if evidence.spread is None or evidence.lacking or evidence.silent:
        return 1.0
    return evidence.spread.p_at_most(0.0) if is_candidate else evidence.spread.p_at_least(0.0)


def _alone(row: Row, metric: str, field: str) -> Estimate | None:
    """Return the estimate of a row's mean; None if there are too few repeats."""
    return alone([row.scores[metric]], field, row.entry.side)
