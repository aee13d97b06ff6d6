"""What a report's sections share: run, comparison, details of scores, findings as rows of a table and as marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.artifact import Json
from harness.compare import Comparison, Difference, Finding, Verdict, wording
from harness.compare.differences import suite_changes
from harness.compare.history import Step
from harness.compare.match import in_point, match
from harness.compare.sample import Side
from harness.compare.wording import figures, place
from harness.errors import StoreError
from harness.report.finding_text import confidence
from harness.report.html.parts import Cell, Table, Tone
from harness.report.html.svg import QUIET, mark
from harness.store.artifacts import Store
from harness.store.record import Repeat, Run, Score


@dataclass(frozen=True)
class Context:
    """A run, what it was compared with, and the places of its evidence."""

    run: Run
    comparison: Comparison
    folder: Path
    """Folder of the run: logs, ``items.parquet``, and ``review.json`` if people rated its images."""
    candidate: Side
    """The run with its per-item rows."""
    baseline: Side | None
    """The run it was compared with, with its per-item rows; None if there is none."""
    store: Store
    """Store with the artifacts, as far as they still exist."""
    history: Sequence[Step]
    """The accepted runs of this suite and label, oldest first; empty outside git."""

    @property
    def changes(self) -> tuple[Difference, ...]:
        """Changes to the suite since the baseline; empty without a baseline."""
        return suite_changes(self.run, self.baseline.run) if self.baseline else ()


@dataclass(frozen=True)
class Shown:
    """The score of a metric that a page shows in full, and the baseline's score, if any."""

    candidate: Score
    baseline: Score | None
    gated: bool
    points: int
    """Number of points of the metric, including this one."""


def details(repeat: Repeat, store: Store) -> Mapping[str, Json]:
    """Return the details of a repeat, from its record or else from the store; empty if neither has any."""
    if repeat.details:
        return repeat.details
    try:
        entry = store.get(repeat.key)
    except StoreError:
        return {}
    return entry.result.details if entry and entry.result else {}


def shown(context: Context, name: str) -> Iterator[Shown]:
    """Yield one score of each metric that has a detail called ``name``, gated metrics first, worst first.

    It is the score at the point that regressed most, else at the reference point, else the first score.
    """
    run = context.run
    findings = wording.worst_first(context.comparison.findings)
    places = {f.metric: i for i, f in reversed([*enumerate(f for f in findings if f.gated)])}
    regressed = _regressed(findings)
    found: dict[str, list[Score]] = {}
    for score in run.scores:
        if score.complete and any(name in r.details for r in score.repeats):
            found.setdefault(score.metric, []).append(score)

    def fits(score: Score) -> tuple[bool, bool]:
        at = regressed.get(score.metric)
        return (
            at is not None and in_point(score, at),
            bool(run.reference) and in_point(score, run.reference),
        )

    gated = {g.metric for g in run.gates}
    theirs = baselines(context)
    for metric in sorted(found, key=lambda m: (m not in gated, places.get(m, len(findings)))):
        score = max(found[metric], key=fits)
        yield Shown(score, theirs.get(id(score)), metric in gated, len(found[metric]))


def _regressed(findings: Sequence[Finding]) -> dict[str, Mapping[str, Json]]:
    """Return metric → the point where it regressed most, for metrics that regressed at a point.

    Args:
        findings: findings, worst first.
    """
    worse = [
        f for f in findings if f.at and f.verdict is Verdict.REGRESSED and (f.gated or f.against is None)
    ]
    return {f.metric: f.at for f in reversed(worse)}


def baselines(context: Context) -> dict[int, Score]:
    """Return the ``id`` of a score of the run → the complete score of the baseline that it is compared with."""
    if context.baseline is None:
        return {}
    pairs = match(context.run, context.baseline.run).pairs
    return {id(p.candidate): p.baseline for p in pairs if p.baseline.complete}


TONES: dict[str, Tone] = {
    "regressed": "regressed",
    "failed": "regressed",
    "incomparable": "incomparable",
    "missing": "incomparable",
    "no baseline yet": "proposed",
    "inconclusive": "inconclusive",
    "unchanged": "unchanged",
    "not gated": "unchanged",
    "improved": "improved",
    "proposed": "proposed",
    "worse": "inconclusive",
}
"""Word of a verdict or an outcome → its tone."""


def verdict_cell(finding: Finding) -> Cell:
    """Make a cell with the verdict's word in its tone; quiet if nothing was judged."""
    note = "" if finding.executed else "not re-executed"
    if finding.verdict is None:
        return Cell("not judged", tone="quiet", note=note)
    return Cell(str(finding.verdict), tone=TONES[finding.verdict], note=note)


_VERDICTS = {
    Verdict.REGRESSED: ("right", True),
    Verdict.IMPROVED: ("left", True),
    Verdict.UNCHANGED: ("circle", True),
    Verdict.INCONCLUSIVE: ("diamond", False),
    Verdict.INCOMPARABLE: ("cross", False),
}
"""Shape, and whether it is filled. Certain verdicts are filled and point in the metric's direction (right: worse)."""


def verdict_colour(verdict: Verdict | None) -> str:
    """Return a value for ``fill`` or ``stroke``; the quiet colour without a verdict."""
    return QUIET if verdict is None else f"var(--{verdict})"


def verdict_mark(x: str, y: float, verdict: Verdict | None, *, about: str = "") -> Markup:
    shape, filled = ("square", False) if verdict is None else _VERDICTS[verdict]
    return mark(x, y, shape, verdict_colour(verdict), filled=filled, about=about)


def metric_cell(finding: Finding) -> Cell:
    return Cell(finding.name, note=place(finding))


def table(caption: str, findings: Sequence[Finding], other: str, most: int) -> Table:
    """Make a table of findings with all their figures, in the given order.

    Args:
        caption: caption of the table.
        findings: findings, worst first.
        other: name of the side they are compared with.
        most: maximum number of rows; the rest is counted.
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
