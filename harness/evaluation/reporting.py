"""The reports of a run: what they are made from, and writing them again after something was added to its folder."""

from __future__ import annotations

from pathlib import Path

from harness.compare import Comparison, stored
from harness.compare.history import accepted
from harness.compare.sample import Side
from harness.errors import UsageError
from harness.evaluation.baseline_choice import Against, Case, case, label_of, opponent, side
from harness.report.files import write_reports
from harness.report.html.context import Context
from harness.store.artifacts import Store


def rewrite(folder: Path, project: Path, store: Store) -> Path:
    """Write the reports of the run in ``folder`` from its record, its comparison and the other files there.

    Args:
        folder: folder of the run.
        project: project folder that holds the baselines.
        store: store with the run's artifacts; the page lacks pictures that are not in it.

    Returns:
        Path of the page.

    Raises:
        UsageError, ReportError: the record is damaged, or the folder cannot be written.
    """
    write_reports(context(_case(folder, project), folder, project, store))
    return folder / "report.html"


def picture(folder: Path, project: Path, store: Store) -> bytes | None:
    """Draw the sheet of pictures of the run in ``folder``, a PNG; None if its gates rest on no pictures.

    Raises:
        HarnessError, OSError: the record or its evidence cannot be read.
    """
    from harness.report.html.sheet import sheet

    return sheet(context(_case(folder, project), folder, project, store))


def context(held: Case, folder: Path, project: Path, store: Store) -> Context:
    """Collect what a report is made from: both sides, the places of their evidence, and earlier accepted runs."""
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
    """Return the side that the run was compared with, if it has not changed since."""
    name = comparison.baseline
    if name is None:
        return None
    try:
        found, _ = opponent(project, Against(name), comparison.suite, name)
    except UsageError:
        return None
    return found if found is not None and found.run.accepted == comparison.accepted else None
