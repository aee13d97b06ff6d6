"""Findings as rows of a table: the same columns wherever a page lists them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compare.comparison import Finding
from harness.report.evidence import confidence
from harness.report.html.parts import Cell, Table, Tone
from harness.report.numbers import figures, place

TONES: dict[str, Tone] = {
    "regressed": "regressed",
    "failed": "regressed",
    "incomparable": "incomparable",
    "missing": "incomparable",
    "no baseline": "incomparable",
    "inconclusive": "inconclusive",
    "unchanged": "unchanged",
    "not gated": "unchanged",
    "improved": "improved",
}
"""The word of a verdict or of an outcome → how it is marked."""


def verdict_cell(finding: Finding) -> Cell:
    """The verdict's word in its tone; what was not judged is quiet."""
    note = "" if finding.executed else "not re-executed"
    if finding.verdict is None:
        return Cell("not judged", tone="quiet", note=note)
    return Cell(str(finding.verdict), tone=TONES[finding.verdict], note=note)


def metric_cell(finding: Finding) -> Cell:
    return Cell(finding.name, note=place(finding))


def table(caption: str, findings: Sequence[Finding], other: str, most: int) -> Table:
    """Findings with all their figures, in the order given.

    Args:
        caption: of the table.
        findings: worst first.
        other: what the side is called that they are compared with.
        most: rows to show; the rest is counted.
    """
    interval = f"{confidence(findings)} interval"
    columns = ("metric", "verdict", other, "candidate", "change", interval, "margin", "repeats")
    rows = tuple(_row(f) for f in findings[:most])
    return Table(caption, columns, rows, frozenset(range(2, 7)), left_out=max(len(findings) - most, 0))


def _row(finding: Finding) -> tuple[Cell, ...]:
    shown, e = figures(finding), finding.estimate
    return (
        metric_cell(finding),
        verdict_cell(finding),
        Cell(shown.baseline, None if e is None else e.baseline),
        Cell(shown.candidate, None if e is None else e.candidate),
        Cell(shown.change, None if e is None else e.change),
        Cell(shown.interval, None if e is None else e.low),
        Cell(shown.margin, finding.margin, note=shown.sees),
        Cell(shown.repeats),
    )
