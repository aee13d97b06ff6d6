"""Accepted runs over time, what changed with each, and this run as the last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from compare.runs import BASE, gate, repeats, score, seeded, shifted, side
from report.html.charts.drawn import is_filled, marks, parsed
from report.html.sections.compared_runs import of, rows, written
from report.test_golden import NASTY

from harness.compare import Difference
from harness.compare.history import Step
from harness.compare.sample import Side
from harness.report.html.context import Context
from harness.report.html.parts import Chart, Table
from harness.report.html.sections.trend import MOST, trend
from harness.store.record import Accepted


def step(day: int, by: float = 0.0, *, use: str = "m@1", reason: str = "figures", **changes: Any) -> Step:
    made = score(repeats(shifted([by] * 5)), protocol={"m.use": use})
    run = replace(
        side(made).run, id=f"run {day}", accepted=Accepted("cpu", reason, f"2026-03-{day:02d}T10:00:00+00:00")
    )
    usual: dict[str, Any] = {"protocol": (), "settings": (), "environment": ()}
    return Step(run, f"{day}" * 10, f"Baseline {day}", **{**usual, **changes})


def context(folder: Path, *steps: Step, candidate: Side | None = None) -> Context:
    return of(candidate or seeded(BASE), Side(steps[-1].run) if steps else None, folder, steps)


def shown(found: Context) -> tuple[list[Chart], Table]:
    section = trend(found)
    assert section is not None
    *charts, table = section.blocks
    assert isinstance(table, Table)
    return [c for c in charts if isinstance(c, Chart)], table


def test_accepted_runs_and_this_one_are_drawn_in_their_order(tmp_path: Path) -> None:
    (chart,), _ = shown(context(tmp_path, step(1), step(2, -0.1)))
    assert [is_filled(m) for m in marks(parsed(chart))] == [True, True, False]
    assert [row[0] for row in rows(chart.table)] == ["this run", "2026-03-02", "2026-03-01"]
    assert rows(chart.table)[1][1].startswith("0.710 [0.695, 0.725]")


def test_a_run_that_is_itself_the_last_accepted_one_is_not_drawn_twice(tmp_path: Path) -> None:
    last = step(2)
    (chart,), _ = shown(context(tmp_path, step(1), last, candidate=last.side))
    assert len(marks(parsed(chart))) == 2


def test_the_line_breaks_where_the_protocol_of_that_metric_changed(tmp_path: Path) -> None:
    (chart,), _ = shown(context(tmp_path, step(1, use="m@0"), step(2), step(3)))
    assert [len(e.get("points", "").split()) for e in parsed(chart).iter("polyline")] == [3]
    assert "cannot be compared" in chart.caption


def test_what_changed_stands_beside_each_run_newest_first(tmp_path: Path) -> None:
    changed = step(
        2,
        reason="longer training",
        settings=(Difference("model.epochs", 2, 4),),
        environment=(Difference("torch", "2.14", "2.15"),),
    )
    _, table = shown(context(tmp_path, step(1), changed))
    assert rows(table)[1] == [
        "2026-03-02",
        "longer training",
        "",
        "model.epochs: 2 → 4",
        "torch: 2.14 → 2.15",
    ]
    assert table.rows[1][1].note == "222222222 Baseline 2"


def test_a_metric_that_only_some_runs_have_leaves_a_gap(tmp_path: Path) -> None:
    old = replace(step(1), run=replace(step(1).run, scores=()))
    (chart,), _ = shown(context(tmp_path, old, step(2)))
    assert len(marks(parsed(chart))) == 2
    assert rows(chart.table)[2][1] == "none"
    charts, _ = shown(context(tmp_path, step(1), candidate=seeded(BASE, gates=(gate(0.1, metric="gone"),))))
    assert charts == []


def test_the_worst_gates_are_drawn_and_the_others_named(tmp_path: Path) -> None:
    names = [f"m{i}" for i in range(MOST + 1)]

    def made(by: float) -> Side:
        scores = [score(repeats(shifted([by if n == names[-1] else 0.0] * 5)), None, n) for n in names]
        return side(*scores, gates=tuple(gate(0.02, metric=n) for n in names))

    last = replace(made(0.0).run, id="accepted", accepted=Accepted("cpu", "why", "2026-03-01T10:00:00+00:00"))
    found = of(made(-0.3), Side(last), tmp_path, [Step(last, "1" * 40, "One", (), (), ())] * 2)
    charts, _ = shown(found)
    assert [c.title.partition(".")[0] for c in charts] == [names[-1], *names[: MOST - 1]]
    section = trend(found)
    assert section is not None
    assert (
        section.lead == f"Not drawn, no worse than these: {names[MOST - 1]}.score; harness history has them."
    )


def test_a_single_accepted_run_is_a_row_and_no_drawing(tmp_path: Path) -> None:
    charts, table = shown(context(tmp_path, step(1)))
    assert charts == []
    assert len(table.rows) == 2


def test_without_history_there_is_none(tmp_path: Path) -> None:
    assert trend(context(tmp_path)) is None


def test_a_hostile_reason_is_text(tmp_path: Path) -> None:
    assert "صحراء" in written(trend(context(tmp_path, step(1, reason=NASTY))))
