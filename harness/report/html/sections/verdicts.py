"""The verdicts and their reasons; the rest of the page is their evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from harness.compare import wording
from harness.compare.comparison import Comparison, Difference, Finding, Point, Verdict
from harness.formats.strict_json import canonical
from harness.report.html.context import Context, metric_cell, table, verdict_cell
from harness.report.html.forest import forest
from harness.report.html.parts import Block, Cell, Section, Table
from harness.store.record import Run

ROWS = 200
"""Maximum number of rows of a table, worst first; the rest is counted."""


def verdicts(context: Context) -> Section | None:
    """Show the gated findings as chart and text; None if nothing is gated."""
    gated = [f for f in wording.worst_first(context.comparison.findings) if f.gated]
    if not gated:
        return None
    blocks: list[Block] = []
    if any(f.estimate for f in gated):
        blocks.append(forest(gated))
    else:
        blocks.append(table("Gated metrics, worst first", gated, "baseline", ROWS))
    lead = f"Verdicts are {claims}." if (claims := wording.claims(gated)) else ""
    return Section("verdicts", "Verdicts", tuple(blocks), lead)


def reasons(context: Context) -> Section | None:
    """Show the reasons of verdicts that are not *unchanged*, and the differences of the sides; None without any."""
    findings = wording.worst_first(context.comparison.findings)
    blocks = [*_why(findings), *_beside(findings), *_suite(context), *_differences(findings)]
    return Section("why", "Why", tuple(blocks)) if blocks else None


def _why(findings: Sequence[Finding]) -> Iterator[Table]:
    told = [f for f in findings if f.verdict not in (None, Verdict.UNCHANGED) and f.reason]
    # There are hundreds of findings against the reference point; their reasons add nothing to their rows.
    told = [f for f in told if f.gated or f.against is None]
    if told:
        left_out = max(len(told) - ROWS, 0)
        rows = tuple(map(_reason, told[:ROWS]))
        yield Table("Reasons, worst first", ("metric", "verdict and reason"), rows, left_out=left_out)


def _beside(findings: Sequence[Finding]) -> Iterator[Table]:
    told = wording.beside(findings)
    if told:
        rows = tuple((Cell(names), Cell(sentence)) for names, sentence in told[:ROWS])
        left_out = max(len(told) - ROWS, 0)
        yield Table("Beside the verdicts", ("metrics", "to know"), rows, left_out=left_out)


def _reason(finding: Finding) -> tuple[Cell, Cell]:
    """Return only two cells, so that sentences fit on a phone."""
    notes = (wording.evidence(finding), "" if finding.executed else "not re-executed")
    return (
        replace(metric_cell(finding), tone=verdict_cell(finding).tone),
        Cell(f"{finding.verdict}: {finding.reason}", note="; ".join(filter(None, notes))),
    )


def _suite(context: Context) -> Iterator[Table]:
    if changes := context.changes:
        yield differences_table(
            "The suite differs: what somebody changed",
            [(d, "") for d in changes[:ROWS]],
            "",
            left_out=max(len(changes) - ROWS, 0),
        )


def _differences(findings: Sequence[Finding]) -> Iterator[Table]:
    protocol: dict[str, tuple[Difference, list[str]]] = {}
    for f in findings:
        for d in f.differences:
            protocol.setdefault(str(d), (d, []))[1].append(f.name)
    if protocol:
        yield differences_table(
            "The protocols differ: what makes the scores incomparable",
            [
                (d, wording.listed(list(dict.fromkeys(names)), 3))
                for d, names in list(protocol.values())[:ROWS]
            ],
            "metrics",
            left_out=max(len(protocol) - ROWS, 0),
        )
    causes = {str(d): d for f in findings for d in f.causes}
    if causes:
        yield differences_table(
            "The environment differs: a likely cause of change, never a reason not to compare",
            [(d, "") for d in list(causes.values())[:ROWS]],
            "",
            left_out=max(len(causes) - ROWS, 0),
        )


def differences_table(
    caption: str, rows: Iterable[tuple[Difference, str]], beside: str, left_out: int = 0
) -> Table:
    """Make a table of fields with both sides' values, and what each field concerns, if ``beside`` names that."""
    columns = ("field", "baseline", "candidate", *([beside] if beside else []))
    cells = tuple(
        (Cell(d.field), side_cell(d.baseline), side_cell(d.candidate), *([Cell(note)] if beside else []))
        for d, note in rows
    )
    return Table(caption, columns, cells, left_out=left_out)


def side_cell(value: object) -> Cell:
    return Cell("absent", tone="quiet") if value is None else Cell(str(value))


def within(context: Context) -> Section | None:
    """Show the points of the run against its reference point; None if the suite names no reference."""
    inner = [f for f in wording.worst_first(context.comparison.findings) if f.against is not None]
    references = {canonical(f.against): f.against for f in inner if f.against is not None}
    blocks = tuple(
        table(
            f"Against {wording.point(reference)}, worst first",
            [f for f in inner if f.against == reference],
            "reference",
            ROWS,
        )
        for reference in references.values()
    )
    lead = "The points of this run against its reference point, at equal seeds."
    return Section("within", "Within the run", blocks, lead, folded=True) if blocks else None


def others(context: Context) -> Section | None:
    """Show what is reported but not gated: findings, values without comparison, scores of one side only."""
    run, comparison = context.run, context.comparison
    ungated = [f for f in wording.worst_first(comparison.findings) if not f.gated and f.against is None]
    blocks: list[Block] = []
    if ungated:
        blocks.append(table("Compared, not gated", ungated, "baseline", ROWS))
    blocks += _alone(run, comparison)
    for caption, points in (
        ("Missing: only in the baseline", comparison.missing),
        ("New: not in the baseline", comparison.new),
        ("Not run: deselected", comparison.not_run),
    ):
        if points:
            blocks.append(_points(caption, points))
    return Section("others", "Not gated", tuple(blocks), folded=bool(comparison.baseline)) if blocks else None


def _alone(run: Run, comparison: Comparison) -> Iterator[Table]:
    rows = wording.uncompared(run, comparison)
    if rows:
        cells = tuple(
            (Cell(name), Cell(wording.point(at)), Cell(", ".join(wording.together(values))))
            for name, at, values in rows[:ROWS]
        )
        columns = ("metric", "point", "one value per repeat")
        yield Table("Values without a baseline", columns, cells, left_out=max(len(rows) - ROWS, 0))


def _points(caption: str, points: Sequence[Point]) -> Table:
    rows = tuple((Cell(p.metric), Cell(wording.point(p.point))) for p in points[:ROWS])
    return Table(caption, ("metric", "point"), rows, left_out=max(len(points) - ROWS, 0))
