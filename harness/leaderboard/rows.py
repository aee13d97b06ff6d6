"""The rows of a leaderboard: one for each point of the matrix of each run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.artifact import Json
from harness.compare.sample import Side
from harness.formats.strict_json import canonical
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
