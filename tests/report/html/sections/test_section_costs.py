from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from report.html.contexts import context, tables, texts
from report.test_golden import RUN

from harness.report.html.sections.costs import costs
from harness.store.record import TaskInfo


def test_costs_add_up_by_stage_and_measured_ones_have_their_units(tmp_path: Path) -> None:
    cost = {
        "wall_s": 2.0,
        "peak_bytes": 3_000_000_000,
        "device": "H100",
        "energy_j": None,
        "tokens_per_s": 1.5,
    }
    tasks = (
        TaskInfo("draw", "a", {}, {}, "executed", 4.0, {"cost": cost}),
        TaskInfo("draw", "b", {}, {}, "cached", 6.0, {"cost": {**cost, "wall_s": 4.0}}),
        TaskInfo("fit", "c", {}, {}, "failed", 0.0),
    )
    section = costs(context(tmp_path, run=replace(RUN, tasks=tasks)))
    assert section is not None
    assert section.lead == "3 tasks in 71.2 s; 1 came from the cache, which would have taken 6 s."
    times, measured = tables(section).values()
    assert texts(times)[0] == ("draw", "", "2", "1", "1", "4.0", "6.0")
    assert times.rows[1][0].note == "1 failed or skipped"
    assert measured.columns == ("stage", "wall, s", "peak, MB", "tokens/s")
    assert texts(measured) == [("draw", "3", "3,000", "1.50")]
    assert costs(context(tmp_path, run=replace(RUN, tasks=()))) is None
