"""Quality against cost, and each metric along the numeric axis of the matrix."""

from __future__ import annotations

from harness.report.frontier import against_cost, along_axis
from harness.report.html.charts.frontier import along, quality_cost
from harness.report.html.context import Context
from harness.report.html.parts import Section

MOST = 4
"""Fields that are shown."""


def frontier(context: Context) -> Section | None:
    """What is as good and cheaper, and a line per scheduler (or whatever varies) along steps (or what is a number).

    None where nothing in the matrix has a cost or a numeric axis.
    """
    costs, axes = against_cost(context.candidate)[:MOST], along_axis(context.candidate)[:MOST]
    if not costs and not axes:
        return None
    title = "Quality against cost" if costs else f"Metrics along {axes[0].cost}"
    lead = "Which points of the matrix are worth their cost." if costs else ""
    return Section("cost", title, (*map(quality_cost, costs), *map(along, axes)), lead)
