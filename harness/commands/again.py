"""A run's reports, written anew after something was added to its folder. The verdict stays the one it had."""

from __future__ import annotations

from pathlib import Path

from harness.commands.judge import Against, Case, case, label_of, opponent, side
from harness.compare.comparison import Comparison
from harness.compare.sample import Side
from harness.compare.stored import stored
from harness.compare.trend import accepted
from harness.errors import UsageError
from harness.report.files import write_reports
from harness.report.html.context import Context
from harness.store import Store


def rewrite(folder: Path, project: Path, store: Store) -> Path:
    """Write the reports of the run in ``folder`` from its record, its comparison and what lies beside them.

    Args:
        folder: of the run.
        project: holds the baselines.
        store: has the run's artifacts; pictures that are not in it are not in the page.

    Returns:
        The page.

    Raises:
        UsageError, ReportError: the record is damaged, or the folder cannot be written.
    """
    write_reports(context(_case(folder, project), folder, project, store))
    return folder / "report.html"


def context(held: Case, folder: Path, project: Path, store: Store) -> Context:
    """What a report is made from: the two sides, where their evidence lies, and what was accepted before."""
    run, before = held.candidate.run, held.comparison.accepted
    history = accepted(project, run.suite, before.label if before else label_of(run))
    return Context(run, held.comparison, folder, held.candidate, held.baseline, store, history)


def _case(folder: Path, project: Path) -> Case:
    candidate = side(folder)
    comparison = stored(folder, candidate.run)
    if comparison is None:
        return case(folder, project, Against())
    return Case(comparison, candidate, _other(comparison, project))


def _other(comparison: Comparison, project: Path) -> Side | None:
    """What the run was compared with, where that is still what it was."""
    name = comparison.baseline
    if name is None:
        return None
    try:
        found, _ = opponent(project, Against(name), comparison.suite, name)
    except UsageError:
        return None
    return found if found is not None and found.run.accepted == comparison.accepted else None
