"""Contexts to make pages from, without a run: the examples of the golden files, in a folder of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from report.test_golden import COMPARISON, RUN

from harness.compare import Comparison
from harness.compare.history import Step
from harness.compare.sample import Side
from harness.report.html.context import Context
from harness.report.html.parts import Listing, Section, Table
from harness.store.artifacts import Store
from harness.store.record import Run

BASELINE = replace(
    RUN,
    id="20260301-120000-ffff",
    started="2026-03-01T12:00:00+00:00",
    tasks=(),
    provenance={"commit": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", "dirty": False},
    accepted=COMPARISON.accepted,
)


def context(
    folder: Path,
    comparison: Comparison = COMPARISON,
    run: Run = RUN,
    baseline: Run | None = BASELINE,
    history: Sequence[Step] = (),
) -> Context:
    """Of a run whose folder is ``folder`` and whose store is empty."""
    against = None if comparison.baseline is None or baseline is None else Side(baseline)
    return Context(run, comparison, folder, Side(run), against, Store(folder / "store"), history)


def tables(section: Section | None) -> dict[str, Table]:
    """The tables of a section by their captions."""
    assert section is not None
    return {b.caption: b for b in section.blocks if isinstance(b, Table)}


def texts(table: Table) -> list[tuple[str, ...]]:
    """The texts of a table's cells."""
    return [tuple(c.text for c in row) for row in table.rows]


def typed(section: Section) -> dict[str, tuple[str, ...]]:
    """The lines of a section's listings by their titles."""
    return {b.title: b.lines for b in section.blocks if isinstance(b, Listing)}
