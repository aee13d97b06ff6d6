"""How trainings went: a plot for each stage that says so."""

from __future__ import annotations

from harness.report import numbers
from harness.report.histories import trainings
from harness.report.html.charts.curves import ROWS, curves
from harness.report.html.context import Context
from harness.report.html.parts import Section

MOST = 8
"""Stages that are drawn."""


def losses(context: Context) -> Section | None:
    """None where no stage keeps a history of its loss."""
    found = trainings(context.run, ROWS)
    if not found:
        return None
    charts = tuple(curves(name, of) for name, of in list(found.items())[:MOST])
    rest = list(found)[MOST:]
    lead = f"Not drawn: {numbers.listed(rest, 5)}." if rest else ""
    return Section("losses", "Loss curves", charts, lead)
