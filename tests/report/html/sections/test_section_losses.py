"""Loss curves of a run's stages."""

from __future__ import annotations

from pathlib import Path

from compare.runs import side
from report.html.sections.compared_runs import of, written
from report.test_golden import NASTY

from harness.report.html.sections.losses import MOST, loss_curves
from harness.store.record import TaskInfo


def task(node: str, start: float = 1.0) -> TaskInfo:
    history = [{"epoch": i, "train_loss": start / i} for i in range(1, 4)]
    return TaskInfo(node, node, {}, {}, "executed", 1.0, {"history": history})


def test_each_stage_with_a_history_has_a_chart_up_to_a_number(tmp_path: Path) -> None:
    stages = [f"stage{i}" for i in range(MOST + 2)]
    section = loss_curves(of(side(tasks=tuple(map(task, stages))), None, tmp_path))
    assert section is not None
    assert [b.title for b in section.blocks if hasattr(b, "title")] == [f"Loss of {s}" for s in stages[:MOST]]
    assert section.lead == f"Not drawn: {', '.join(stages[MOST:])}."


def test_a_run_without_trainings_has_none(tmp_path: Path) -> None:
    idle = TaskInfo("data", "k", {}, {}, "cached", 0.0, {"history": [], "n": 4})
    assert loss_curves(of(side(tasks=(idle,)), None, tmp_path)) is None


def test_a_hostile_name_is_text(tmp_path: Path) -> None:
    assert "صحراء" in written(loss_curves(of(side(tasks=(task(NASTY),)), None, tmp_path)))
