"""Checks of prompts: the share that passes, by writer and by class, and the prompts that fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from harness.artifact import Json
from harness.compare import Finding, Verdict, wording
from harness.compare.match import in_point
from harness.report.html.context import Context, Shown, baselines, details, shown, verdict_cell
from harness.report.html.frame import MARKS
from harness.report.html.parts import Cell, Section, Table
from harness.store.artifacts import Store
from harness.store.record import Score

WRITERS = 10
"""Maximum number of points with a column."""
CLASSES = 12
"""Maximum number of classes with a column, those with the fewest passing prompts."""
EACH = 3
"""Maximum number of failing prompts shown per check."""
ROWS = 40
LONGEST = 120
"""Maximum number of characters of a piece of evidence."""
OTHERS = 2
"""Maximum number of verdicts listed below the worst one of a check."""
ALL = "passed"
"""Field with the share of prompts that pass every check."""


def checks(context: Context) -> Section | None:
    """Show the checks; None if no metric checks prompts."""
    tables = [
        t for s in shown(context, "checks") if _rows(s.candidate, context.store) for t in _tables(context, s)
    ]
    lead = "The share of prompts that pass each check; the more fail, the stronger the tint."
    return Section("checks", "Prompt checks", tuple(tables), lead) if tables else None


def _tables(context: Context, found: Shown) -> list[Table]:
    """Make tables of the shares at every point, and of the failures at the point with the most."""
    metric = found.candidate.metric
    scores = [s for s in context.run.scores if s.metric == metric and s.complete]
    score = min(scores, key=lambda s: _mean(s, ALL) or 0.0)
    place = wording.point(score.point)
    where = f"{metric}{f' ({place})' if place else ''}"
    tables = [_writers(context, metric, _rows(score, context.store)), *_classes(context, score, where)]
    failing = _failing(context, score)
    if failing:
        heads = ("check", "prompt", "class", "evidence")
        caption = f"{where}: prompts that fail and the evidence, most often failed check first"
        tables.append(Table(caption, heads, failing[:ROWS], left_out=max(len(failing) - ROWS, 0)))
    return tables


def _rows(score: Score, store: Store) -> list[Mapping[str, Json]]:
    """Return the checks of the first repeat, each with its name and threshold."""
    rows = details(score.repeats[0], store).get("checks")
    members = rows if isinstance(rows, list | tuple) else ()
    return [r for r in members if isinstance(r, Mapping) and "check" in r and "threshold" in r]


def _writers(context: Context, metric: str, rows: Sequence[Mapping[str, Json]]) -> Table:
    """Make a table of checks × points of the matrix.

    Below a share are the baseline's share, if it differs, and the verdict against the reference point, if there is one
    and it is not *unchanged*.
    """
    run = context.run
    scores = [s for s in run.scores if s.metric == metric and s.complete]
    theirs = baselines(context)
    findings = [f for f in wording.worst_first(context.comparison.findings) if f.metric == metric]
    thresholds = {ALL: "every check"} | {str(r["check"]): str(r["threshold"]) for r in rows}
    cells = []
    for check, threshold in thresholds.items():
        if check in run.metrics[metric].fields:
            unasked = [s for s in scores if not _asks(context, s, check)]
            found = [f for f in findings if f.field == check and not _among(unasked, f.against)]
            shares = (_share(context, s, theirs.get(id(s)), check, found) for s in scores[:WRITERS])
            cells.append((Cell(check.replace("_", " ")), Cell(threshold), *shares, _verdict(found)))
    heads = [wording.point(s.point) or "share" for s in scores[:WRITERS]]
    caption = f"{metric}: share of prompts that pass"
    caption += "; the verdict is against the baseline" if context.baseline else ""
    if len(scores) > WRITERS:
        caption += f", the first {WRITERS} of {len(scores):,} points"
    numeric = frozenset(range(2, 2 + len(heads)))
    return Table(caption, ("check", "threshold", *heads, "verdict"), tuple(cells), numeric)


def _verdict(findings: Sequence[Finding]) -> Cell:
    """Make a cell with the worst gated verdict against the baseline and its point, and the others below.

    Args:
        findings: findings of one check, worst first.
    """
    gated = [f for f in findings if f.gated and f.against is None]
    if not gated:
        return Cell("", tone="quiet")
    worst, *others = gated
    cell = verdict_cell(worst)
    rest = [f"{f.verdict}: {wording.place(f) or 'all'}" for f in others]
    where = wording.point(worst.at)
    return replace(cell, note="; ".join(filter(None, (where, cell.note, wording.listed(rest, OTHERS)))))


def _within(findings: Sequence[Finding], score: Score) -> str:
    """Say how a score differs from the run's reference point; empty if it does not, or if nothing was judged.

    Args:
        findings: findings of one check, worst first.
        score: score at one point.
    """
    told = []
    for f in findings:
        if f.against is not None and f.verdict not in (None, Verdict.UNCHANGED) and in_point(score, f.at):
            values = list(f.against.values())
            other = values[0] if len(values) == 1 and isinstance(values[0], str) else wording.point(f.against)
            told.append(f"{MARKS[str(f.verdict)]} {f.verdict} against {other}")
    return "; ".join(told)


def _share(
    context: Context, score: Score, baseline: Score | None, check: str, findings: Sequence[Finding]
) -> Cell:
    value, before = _mean(score, check) or 0.0, _mean(baseline, check)
    if not _asks(context, score, check):
        return Cell("–", tone="quiet", note="not asked")
    moved = "" if before is None or before == value else f"baseline {before:.1%}"
    note = "; ".join(filter(None, (moved, _within(findings, score))))
    return Cell(f"{value:.1%}", sort=value, heat=1 - value if value < 1 else None, note=note)


def _asks(context: Context, score: Score, check: str) -> bool:
    """Whether the check applies to any prompt; otherwise the share has no meaning."""
    applies = [r.get("applies_to") for r in _rows(score, context.store) if r["check"] == check]
    return applies != [0]


def _among(scores: Sequence[Score], reference: Mapping[str, Json] | None) -> bool:
    return reference is not None and any(in_point(s, reference) for s in scores)


def _mean(score: Score | None, field: str) -> float | None:
    """Return the mean over the repeats; None if there is no such figure."""
    if score is None or not all(field in r.values for r in score.repeats):
        return None
    return fmean(r.values[field] for r in score.repeats)


def _classes(context: Context, score: Score, where: str) -> list[Table]:
    """Make tables of failed checks × classes, over the repeats."""
    passed: dict[str, dict[str, list[float]]] = {}
    for repeat in score.repeats:
        rows = details(repeat, context.store).get("per_class")
        for row in rows if isinstance(rows, list | tuple) else ():
            if isinstance(row, Mapping):
                for check, share in _class_shares(row):
                    passed.setdefault(check, {}).setdefault(str(row.get("class")), []).append(share)
    shares = {check: {label: fmean(v) for label, v in by.items()} for check, by in passed.items()}
    failed = {c: by for c, by in shares.items() if min(by.values()) < 1}
    if not failed:
        return []
    labels = list(dict.fromkeys(label for by in failed.values() for label in by))
    worst = sorted(labels, key=lambda label: fmean(by.get(label, 1.0) for by in failed.values()))[:CLASSES]
    rows_ = tuple(
        (Cell(check.replace("_", " ")), *(_class_cell(by.get(label)) for label in worst))
        for check, by in sorted(failed.items(), key=lambda item: fmean(item[1].values()))
    )
    caption = f"{where} by class: checks that some prompt fails, worst first"
    if len(labels) > CLASSES:
        caption += f"; the worst {CLASSES} of {len(labels):,} classes"
    return [Table(caption, ("check", *worst), rows_, frozenset(range(1, len(worst) + 1)))]


def _class_shares(row: Mapping[str, Json]) -> list[tuple[str, float]]:
    """Return the share of each check that applies to a class, from the class' row."""
    found = []
    for check, told in row.items():
        share = told.get("passed") if isinstance(told, Mapping) else None
        if isinstance(share, int | float):
            found.append((check, float(share)))
    return found


def _class_cell(share: float | None) -> Cell:
    if share is None:
        return Cell("", tone="quiet")
    return Cell(f"{share:.0%}", sort=share, heat=1 - share if share < 1 else None)


def _failing(context: Context, score: Score) -> tuple[tuple[Cell, ...], ...]:
    """Return the first prompts that fail each check, from the first repeat in which any does."""
    cells: list[tuple[Cell, ...]] = []
    worst = sorted(
        (str(r["check"]) for r in _rows(score, context.store)), key=lambda c: _mean(score, c) or 0.0
    )
    for check in worst:
        tried = (_failed(details(repeat, context.store).get("failing"), check) for repeat in score.repeats)
        cells += [_prompt(check, row) for row in next(filter(None, tried), [])[:EACH]]
    return tuple(cells)


def _failed(failing: Json, check: str) -> list[Mapping[str, Json]]:
    rows = failing.get(check) if isinstance(failing, Mapping) else None
    return [r for r in rows if isinstance(r, Mapping)] if isinstance(rows, list | tuple) else []


def _prompt(check: str, row: Mapping[str, Json]) -> tuple[Cell, ...]:
    evidence = row.get("evidence")
    told = [str(e)[:LONGEST] for e in evidence] if isinstance(evidence, list | tuple) else []
    return (
        Cell(check.replace("_", " ")),
        Cell(str(row.get("text", "")), note=str(row.get("prompt", ""))),
        Cell(str(row.get("class", ""))),
        Cell(wording.listed(told, 6)),
    )
