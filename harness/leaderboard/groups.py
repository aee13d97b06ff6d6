"""Which rows may stand in one table: those whose protocols are equal in every metric that they share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from harness.artifact import Json
from harness.canonical import canonical
from harness.compare.comparison import Difference
from harness.compare.match import differences
from harness.leaderboard.rows import Row
from harness.record import Score
from harness.runs import order

Name = tuple[str, str]
"""Metric and field."""


@dataclass
class RowGroup:
    """Rows that are comparable with one another, and with no row of another group."""

    by: Name | None
    """What they are ranked by; None where no field of theirs has a direction."""
    axes: set[str]
    """What their protocols may differ in, because it is what is compared."""
    rows: list[Row] = field(default_factory=list)
    known: dict[str, tuple[Score, Row]] = field(default_factory=dict)
    """Metric → the score that stands for the group's protocol."""

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.axes |= row.axes
        for metric, score in row.scores.items():
            if metric not in self.known or (score.complete and not self.known[metric][0].complete):
                self.known[metric] = score, row

    def admits(self, row: Row) -> bool:
        """Whether a row shares the metric that ranks the group and all protocols of the metrics it shares."""
        if self.by is None or self.by[0] not in row.scores or self.by[0] not in self.known:
            return False
        shared = [m for m in row.scores if m in self.known]
        return not any(between(*self.known[m], row.scores[m], row, self.axes | row.axes) for m in shared)


def grouped(rows: Sequence[Row], by: Name | None = None) -> list[RowGroup]:
    """Put rows into groups, those of the first rows first.

    A group is named by its first row, and the rows with most axes, most metrics and nothing failed come first, so
    that the groups do not depend on the order in which runs are given (runs that are alike go by their number).

    Args:
        rows: of any runs.
        by: the metric and field to rank by, where a group has it; else the first that its first run gates.
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
            # Complete rows of one run know the same fields: they are alike, or they are not comparable.
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
    return sorted(groups, key=lambda g: suites.index(g.rows[0].entry.run.suite))  # one suite's stand together


def between(
    ours: Score, our_row: Row, theirs: Score, their_row: Row, masked: Collection[str]
) -> tuple[Difference, ...]:
    """Where two protocols differ. A score that failed has not seen its conditions, so that they do not count."""
    if not (ours.complete and theirs.complete):
        ours, theirs = replace(ours, repeats=()), replace(theirs, repeats=())
    return differences(theirs, ours, their_row.entry.run.defaults, our_row.entry.run.defaults, masked)


def apart(one: RowGroup, other: RowGroup) -> tuple[Difference, ...]:
    """What keeps two groups apart: the fields in which the protocols of the metrics that both have differ."""
    masked = one.axes | other.axes
    shared = [m for m in one.known if m in other.known]
    found: Iterable[Difference] = (d for m in shared for d in between(*one.known[m], *other.known[m], masked))
    unmasked = (d for m in shared for d in between(*one.known[m], *other.known[m], ()))
    return tuple({str(d): d for d in found}.values()) or tuple({str(d): d for d in unmasked}.values())


def ranking(row: Row, by: Name | None) -> Name | None:
    """What a row is ranked by: as asked, else what its run gates first, else the first field with a direction."""
    run = row.entry.run
    gated = ((g.metric, g.field) for g in run.gates)
    fields = ((m, f) for m in row.scores for f, better in run.metrics[m].fields.items() if better)
    for metric, name in [*([by] if by else []), *gated, *fields]:
        if metric in row.scores and run.metrics[metric].fields.get(name):
            return metric, name
    return None


def _alike(row: Row) -> str:
    """Equal for rows whose protocols are equal field by field, as the rows of a run mostly are."""
    whole = {m: s.whole_protocol() if s.complete else s.protocol for m, s in row.scores.items()}
    masked: dict[str, Json] = {m: {k: v for k, v in p.items() if k not in row.axes} for m, p in whole.items()}
    return canonical(masked)
