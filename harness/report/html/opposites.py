"""The baseline's images of the same stage, point and seeds; and where there are none, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from harness.artifact import GeneratedImages
from harness.canonical import canonical
from harness.data.image_folder import Row, rows
from harness.report.numbers import listed
from harness.shelf import Made, Shelf

NAMED = 6
"""Points that a sentence names."""


class Lack(Enum):
    """Why nothing of the baseline stands beside a point, as the end of a sentence."""

    NEW = "the baseline has no such images"
    SEEDS = "the baseline's images are of other seeds"
    GONE = "the baseline's images are no longer in the store"
    SAME = "the baseline's are these very images: nothing that they depend on has changed"


@dataclass(frozen=True)
class Opposite:
    """What the baseline has beside one of our folders."""

    made: Made | None
    lack: Lack | None
    """Why there is nothing to set beside ours; None where there is something, or no baseline."""

    @property
    def rows(self) -> dict[str, Row]:
        return {row.name: row for row in rows(self.made.artifact)} if self.made else {}


def opposite(baseline: Shelf | None, ours: Made) -> Opposite:
    """Of a folder of ours, whose task says where to look."""
    if baseline is None:
        return Opposite(None, None)
    drawn = [t for t in baseline.run.tasks if t.node == ours.task.node and t.state != "failed"]
    if any(t.key == ours.task.key for t in drawn):
        return Opposite(None, Lack.SAME)
    point = [t for t in drawn if canonical(t.point) == canonical(ours.task.point)]
    keys = {t.key for t in point if canonical(t.seeds) == canonical(ours.task.seeds)}
    found = baseline.by_name(GeneratedImages).get(ours.name, ())
    theirs = next((m for m in found if m.task.key in keys), None)
    if theirs is not None:
        return Opposite(theirs, None)
    if keys or not baseline.run.tasks:  # a record without tasks does not say what it had
        return Opposite(None, Lack.GONE)
    return Opposite(None, Lack.SEEDS if point else Lack.NEW)


def told(opposites: Sequence[Opposite], heads: Mapping[str, Sequence[str]]) -> str:
    """What the baseline lacks, in sentences that name the points where they are not true of all.

    Args:
        opposites: one per point.
        heads: axis → its value at each point, the slowest axis first; empty where there is one point.
    """
    lacking = {lack: [i for i, o in enumerate(opposites) if o.lack is lack] for lack in Lack}
    lacking = {lack: at for lack, at in lacking.items() if at}
    sentences = []
    left = len(opposites)
    for lack, at in lacking.items():
        if len(at) == len(opposites):
            return f"{lack.value[0].upper()}{lack.value[1:]}."
        names = _names(at, heads)
        whom = "the others" if len(at) == left else listed(names, NAMED)
        if lack is Lack.NEW:
            sentences.append(f"{whom} {'is' if len(names) == 1 else 'are'} not in the baseline.")
        else:
            sentences.append(f"Of {whom} {lack.value}.")
        left -= len(at)
    return " ".join(sentences)


def _names(at: Sequence[int], heads: Mapping[str, Sequence[str]]) -> list[str]:
    """Of some points: values of one axis, where they are all the points that have these; else one name for each."""
    for axis, values in heads.items():
        named = dict.fromkeys(values[i] for i in at)
        if sum(value in named for value in values) == len(at):
            return [v if any(map(str.isalpha, v)) else f"{axis}={v}" for v in named]
    columns = list(zip(*heads.values(), strict=True))
    return [" · ".join(columns[i]) for i in at]
