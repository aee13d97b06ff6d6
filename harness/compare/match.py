"""Which scores of two runs correspond."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.artifact import Json
from harness.compare import Point
from harness.formats.strict_json import canonical
from harness.store.record import Run, Score

ABSENT: Json = {"absent": True}
"""Value of an axis that a side does not have. No parameter has this value."""


@dataclass(frozen=True)
class Pair:
    """One score on both sides."""

    candidate: Score
    baseline: Score


@dataclass(frozen=True)
class Matching:
    """The scores of a run and of its baseline, matched."""

    pairs: tuple[Pair, ...]
    new: tuple[Score, ...]
    """Only in the candidate."""
    missing: tuple[Score, ...]
    """Only in the baseline."""
    not_run: tuple[Score, ...]
    """Only in the baseline, because the candidate deselected them."""


def match(candidate: Run, baseline: Run) -> Matching:
    """Match scores on the union of both sides' axes; linear in the number of scores.

    If one side does not sweep an axis, its setting is used; if it does not have the axis, the other side's default is
    used.
    """
    axes = _axes(candidate.scores, baseline.scores)
    waiting = {_place(s, axes[s.metric], candidate.defaults): s for s in baseline.scores}
    pairs, new = [], []
    # By the names of values first. What is left is matched by their content: a name may be new, or an axis be gone.
    by_content = {_content(s, axes[s.metric], candidate.defaults): place for place, s in waiting.items()}
    left = []
    for score in candidate.scores:
        other = waiting.pop(_place(score, axes[score.metric], baseline.defaults), None)
        if other is None:
            left.append(score)
        else:
            pairs.append(Pair(score, other))
    for score in left:
        place = by_content.get(_content(score, axes[score.metric], baseline.defaults))
        other = None if place is None else waiting.pop(place, None)
        if other is None:
            new.append(score)
        else:
            pairs.append(Pair(score, other))
    not_run = [s for s in waiting.values() if is_deselected(s, candidate.only)]
    missing = [s for s in waiting.values() if not is_deselected(s, candidate.only)]
    return Matching(tuple(pairs), tuple(new), tuple(missing), tuple(not_run))


def is_deselected(score: Score, only: Mapping[str, Sequence[Json]]) -> bool:
    """Whether ``--only`` leaves a score out; a score that does not depend on the axis stays."""
    for axis, kept in only.items():
        known = axis in score.point or axis in score.settings
        if known and value_at(score, axis) not in kept:
            return True
    return False


def value_at(score: Score, axis: str) -> Json:
    """A score's value of an axis, swept or not; ``ABSENT`` if it has no such field."""
    return score.point[axis] if axis in score.point else score.settings.get(axis, ABSENT)


def in_point(score: Score, at: Mapping[str, Json]) -> bool:
    """Whether a score is at the (perhaps partial) point ``at``."""
    return all(value_at(score, axis) == value for axis, value in at.items())


def point(score: Score) -> Point:
    return Point(score.metric, score.point)


def _axes(*sides: Iterable[Score]) -> dict[str, tuple[str, ...]]:
    """Metric → every axis that either side sweeps for it."""
    axes: dict[str, set[str]] = {}
    for score in (s for side in sides for s in side):
        axes.setdefault(score.metric, set()).update(score.point)
    return {metric: tuple(sorted(names)) for metric, names in axes.items()}


def _content(score: Score, axes: Iterable[str], other_defaults: Mapping[str, Json]) -> tuple[str, str]:
    """As ``_place``, with sources given by their content."""
    values = [score.settings.get(axis, value_at(score, axis)) for axis in axes]
    known = [
        other_defaults.get(axis, ABSENT) if v is ABSENT else v for axis, v in zip(axes, values, strict=True)
    ]
    return score.metric, canonical(known)


def _place(score: Score, axes: Iterable[str], other_defaults: Mapping[str, Json]) -> tuple[str, str]:
    values: list[Json] = []
    for axis in axes:
        value = value_at(score, axis)
        values.append(other_defaults.get(axis, ABSENT) if value is ABSENT else value)
    return score.metric, canonical(values)
