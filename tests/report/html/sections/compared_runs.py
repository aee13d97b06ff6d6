"""Contexts of small runs that are really compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compare.runs import compared
from markupsafe import Markup

from harness.compare.history import Step
from harness.compare.sample import Side
from harness.report.html.context import Context
from harness.report.html.frame import page
from harness.report.html.parts import Section, Table
from harness.store.artifacts import Store


def of(candidate: Side, baseline: Side | None, folder: Path, history: Sequence[Step] = ()) -> Context:
    """What a page about these two is made from; the store is empty."""
    comparison = compared(candidate, baseline)
    return Context(candidate.run, comparison, folder, candidate, baseline, Store(folder / "store"), history)


def rows(table: Table) -> list[list[str]]:
    """The texts of a table's cells."""
    return [[cell.text for cell in row] for row in table.rows]


def written(section: Section | None) -> str:
    """The section as a page; names that are markup have to have become text."""
    assert section is not None
    html = page("A page", [section], top=Markup())
    assert "<script>alert" not in html
    return html
