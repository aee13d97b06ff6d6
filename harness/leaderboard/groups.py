"""The rows of a leaderboard, and groups of comparable rows: each becomes a table.

There is a row for each point of the matrix of each run. Rows of a group may be compared with one of them.
``harness.leaderboard.ranks`` ranks them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from harness.artifact import Json
from harness.compare import Difference, Finding
from harness.compare.contrast import Contrast
from harness.compare.decide import Judged, correct
from harness.compare.differences import Fields, declared_differences, differences, measuring_changes
from harness.compare.match import Pair, value_at
from harness.compare.sample import Side, lacks_timing
from harness.formats.strict_json import canonical
from harness.leaderboard import Column
from harness.store.project import order
from harness.store.record import Run, Score


@dataclass(frozen=True)
class Entry:
    """A run or baseline on the board."""

    side: Side
    path: Path
    """The run's folder or the baseline's file."""

    @property
    def run(self) -> Run:
        return self.side.run


@dataclass(frozen=True, eq=False)
class Row:
    """A point of the matrix of one run, with the scores of every metric there."""

    entry: Entry
    point: Mapping[str, Json]
    scores: Mapping[str, Score]
    """Metric → score. A metric that does not depend on all axes has the same score at several points."""
    axes: frozenset[str]
    """The axes whose points are compared; they are not part of the protocol within a group."""

    @property
    def is_complete(self) -> bool:
        return all(s.complete and s.repeats for s in self.scores.values())


def rows_of(entry: Entry, compared: Collection[str] = ()) -> list[Row]:
    """Make a row for every point of a run's matrix, in the run's order.

    Args:
        entry: the run.
        compared: axes whose points are compared, besides those that the suite's ``reference`` names. All other
            axes stay in the protocol, so that their points are in separate groups.
    """
    run = entry.run
    axes = frozenset({*run.reference, *compared})
    by_axes: dict[frozenset[str], dict[str, Mapping[str, Json]]] = {}
    for score in run.scores:
        by_axes.setdefault(frozenset(score.point), {})[canonical(score.point)] = score.point
    whole = [names for names in by_axes if not any(names < other for other in by_axes)]
    places = {(s.metric, canonical(s.point)): s for s in run.scores}
    reach = {s.metric: frozenset(s.point) for s in run.scores}
    return [
        Row(entry, point, _scores_at(point, reach, places), axes)
        for names in whole
        for point in by_axes[names].values()
    ]


def _scores_at(
    point: Mapping[str, Json],
    reach: Mapping[str, frozenset[str]],
    places: Mapping[tuple[str, str], Score],
) -> dict[str, Score]:
    found: dict[str, Score] = {}
    for metric, axes in reach.items():
        if axes <= point.keys():
            score = places.get((metric, canonical({a: v for a, v in point.items() if a in axes})))
            if score is not None:
                found[metric] = score
    return found


def settings_of(row: Row) -> dict[str, Json]:
    """Return every ``node.field`` setting behind the scores of a row."""
    merged: dict[str, Json] = {}
    for score in row.scores.values():
        merged.update(score.settings)
    return merged | dict(row.point)


def varying(rows: Sequence[Row]) -> list[str]:
    """Return the fields in which rows differ: axes in the order of the matrix, then the others by name."""
    all_settings = [settings_of(row) for row in rows]
    names = dict.fromkeys(name for row in rows for name in row.point)
    others = sorted({name for settings in all_settings for name in settings} - names.keys())
    return [
        name for name in (*names, *others) if len({_key(settings.get(name)) for settings in all_settings}) > 1
    ]


def _key(value: Json) -> object:
    return canonical(value) if isinstance(value, list | dict) else value


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
    declared: dict[str, Fields] = field(default_factory=dict)
    """Metric → the fields that any of its rows has, with their directions."""

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.axes |= row.axes
        for metric in row.scores:
            fields = row.entry.run.metrics[metric].fields
            self.declared[metric] = {**fields, **self.declared.get(metric, {})}
        for metric, score in row.scores.items():
            if metric not in self.known or (score.complete and not self.known[metric][0].complete):
                self.known[metric] = score, row

    def admits(self, row: Row) -> bool:
        """Whether a row has the metric that ranks the group, and the same protocol for every metric they share."""
        if self.by is None or self.by[0] not in row.scores or self.by[0] not in self.known:
            return False
        shared = [m for m in row.scores if m in self.known]
        return not any(
            between(*self.known[m], row.scores[m], row, self.axes | row.axes)
            or declared_differences(m, row.entry.run.metrics[m].fields, self.declared[m])
            for m in shared
        )


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
    """Return where two protocols, or the code that measures, differ.

    Conditions are ignored if a score failed, since it has not observed them.
    """
    if not (ours.complete and theirs.complete):
        ours, theirs = _without_conditions(ours), _without_conditions(theirs)
    left, right = their_row.entry.run, our_row.entry.run
    return (
        *differences(theirs, ours, left.defaults, right.defaults, masked),
        *measuring_changes(left, right, [Pair(theirs, ours)]),
    )


def _without_conditions(score: Score) -> Score:
    return replace(score, repeats=tuple(replace(r, conditions={}) for r in score.repeats))


def apart(one: RowGroup, other: RowGroup) -> tuple[Difference, ...]:
    """Return why two groups are separate: where the protocols and declarations of their common metrics differ."""
    masked = one.axes | other.axes
    shared = [m for m in one.known if m in other.known]
    found: Iterable[Difference] = (
        d
        for m in shared
        for d in (
            *declared_differences(m, other.declared[m], one.declared[m]),
            *between(*one.known[m], *other.known[m], masked),
        )
    )
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
    metrics = row.entry.run.metrics
    fields: dict[str, Json] = {
        m: {f: d and dict(d) for f, d in metrics[m].fields.items()} for m in row.scores
    }
    whole = {m: s.whole_protocol() if s.complete else s.protocol for m, s in row.scores.items()}
    masked: dict[str, Json] = {m: {k: v for k, v in p.items() if k not in row.axes} for m, p in whole.items()}
    code = {n: c for n, c in row.entry.run.code.items() if any(f"{n}.use" in p for p in whole.values())}
    return canonical([masked, fields, code])


def paired_with(
    group: RowGroup, reference: Row, columns: Sequence[Column]
) -> dict[int, list[Finding | None]]:
    """Return ``id`` of the row → its change from the reference per column; None if one of them lacks its values.

    The margins are those of the gates of the reference's run. Holm's correction covers all verdicts.
    """
    judged: list[tuple[Row, int, Judged]] = []
    for row in group.rows:
        if row is reference:
            continue
        contrast = Contrast(row.entry.side, reference.entry.side, _point(group, reference))
        for n, column in enumerate(columns):
            if all(_is_measured(r, column.metric) for r in (row, reference)):
                judged.append((row, n, _judge(contrast, row, reference, column)))
    findings: dict[int, list[Finding | None]] = {id(row): [None] * len(columns) for row in group.rows}
    corrected = correct([j for _, _, j in judged])
    for (row, n, _), finding in zip(judged, corrected, strict=True):
        findings[id(row)][n] = finding
    return findings


def _is_measured(row: Row, metric: str) -> bool:
    return metric in row.scores and not lacks_timing([row.scores[metric]], row.entry.side)


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


def better_of(group: RowGroup, metric: str, field: str) -> Literal["higher", "lower"]:
    """Return the direction of a field, which is the same for all rows that have it."""
    direction = group.declared.get(metric, {}).get(field)
    return "lower" if direction and direction["better"] == "lower" else "higher"
