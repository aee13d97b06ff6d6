from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from report.html.contexts import context, tables, texts, typed
from report.test_golden import COMPARISON, EMPTY, NASTY, RUN

from harness.report.html.sections.tasks import LOGS, TAIL_BYTES, costs, failures
from harness.store.record import Run, TaskInfo


def failed(n: int) -> Run:
    given = tuple(
        TaskInfo(f"n{i}", f"{i:064d}", {}, {}, "failed", 0.0, error=f"first {i}\nsecond") for i in range(n)
    )
    return replace(RUN, tasks=(*given, TaskInfo("after", "k", {}, {}, "skipped", 0.0)))


def test_a_failure_stands_with_the_end_of_its_log(tmp_path: Path) -> None:
    run = failed(1)
    (tmp_path / "logs").mkdir()
    lines = [f"step {i} {NASTY}" for i in range(2000)]
    (tmp_path / "logs" / "n0-00000000.txt").write_text("\n".join(lines), encoding="utf-8")
    section = failures(context(tmp_path, replace(COMPARISON, failures=run.failures), run))
    assert section is not None
    assert section.lead == "1 task was skipped for want of it."
    (log,) = typed(section).values()
    assert log[-1].startswith("step 1999 ")
    assert log[0].endswith("bytes before this")
    assert len("\n".join(log).encode()) < TAIL_BYTES + 100


def test_without_a_log_the_record_has_the_message_and_only_the_first_are_shown(tmp_path: Path) -> None:
    run = failed(LOGS + 3)
    section = failures(context(tmp_path, replace(COMPARISON, failures=run.failures), run))
    assert section is not None
    assert section.title == "11 failed tasks"
    assert next(iter(typed(section).values())) == ("first 0", "second")
    assert len(typed(section)) == LOGS
    assert failures(context(tmp_path, EMPTY)) is None


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
