"""Every row of a group against one of them, by the estimator that verdicts are made of."""

from __future__ import annotations

from collections.abc import Sequence

from harness.artifact import Json
from harness.compare.comparison import Finding
from harness.compare.contrast import Contrast
from harness.compare.decide import Judged, correct
from harness.compare.match import Pair, value_at
from harness.leaderboard.board import Column
from harness.leaderboard.groups import RowGroup
from harness.leaderboard.rows import Row


def paired_with(
    group: RowGroup, reference: Row, columns: Sequence[Column]
) -> dict[int, list[Finding | None]]:
    """By ``id`` of the row, per column its change from the reference; None where one of them has no such metric.

    The margins are those of the gates of the reference's run; Holm's correction goes over all verdicts.
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
    """What the reference has at the axes that are compared, wherever it is known."""
    return {
        axis: value_at(score, axis)
        for axis in sorted(group.axes)
        for score in reference.scores.values()
        if axis in score.settings or axis in score.point
    }
