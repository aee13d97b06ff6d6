"""A stage that makes nothing but pictures needs no metric: it is run for the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_suites import changed, write_suite

from harness import suite
from harness.engine.executors import LocalExecutor
from harness.engine.plan import Plan, make
from harness.engine.runner import Runner
from harness.errors import SuiteError
from harness.store.artifacts import Store

PAINTED = """\
suite: toy/painted
about: Squares are painted, and the first of them set beside real ones.
subject: [painter]
stages:
  real:    {use: toy_images.scenes}
  painter: {use: toy_images.train}
  drawn:   {use: toy_images.encode, painter: painter, captions: real, count: 6}
  made:    {use: toy_images.paint, painter: painter, learnt: real, prompts: drawn}
  pairs:   {use: toy_images.closest, images: made, real: real}
metrics:
  cost: {use: toy_images.cost, images: made}
matrix:
  made.steps: [10, 20]
seeds:
  made.seed: [0, 1, 2]
"""


def planned(
    folder: Path, *replacements: tuple[str, str], only: dict[str, tuple[int, ...]] | None = None
) -> Plan:
    return make(suite.load(write_suite(folder, changed(*replacements, text=PAINTED))), only=only)


def points(plan: Plan) -> list[tuple[object, dict[str, int]]]:
    return [(t.point["made.steps"], dict(t.seeds)) for i, t in plan.tasks.items() if i in plan.pictures]


def test_pictures_are_made_at_every_point_of_the_first_repeat(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert points(plan) == [(10, {"made.seed": 0}), (20, {"made.seed": 0})]
    outcomes = Runner(Store(tmp_path / "store"), LocalExecutor()).run(plan)
    assert [outcomes[task].state for task in plan.pictures] == ["executed"] * 2


def test_only_deselects_pictures_too(tmp_path: Path) -> None:
    assert points(planned(tmp_path, only={"made.steps": (20,)})) == [(20, {"made.seed": 0})]


def test_pictures_change_no_protocol(tmp_path: Path) -> None:
    without = planned(tmp_path, ("  pairs:   {use: toy_images.closest, images: made, real: real}\n", ""))
    assert without.scores == planned(tmp_path).scores
    assert without.pictures == ()


def test_what_is_no_picture_still_has_to_reach_a_metric(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="stage 'more' reaches no metric"):
        planned(tmp_path, ("  painter:", "  more:    {use: toy_images.scenes}\n  painter:"))


def test_pictures_that_cannot_be_made_fail_their_task_alone(tmp_path: Path) -> None:
    plan = planned(
        tmp_path,
        ("real: real}\nmetrics", "real: more}\nmetrics"),
        ("  painter:", "  more:    {use: toy_images.scenes, size: 32}\n  painter:"),
    )
    outcomes = Runner(Store(tmp_path / "store"), LocalExecutor()).run(plan)
    assert [outcomes[task].state for task in plan.pictures] == ["failed"] * 2
    assert {outcomes[r.task].state for s in plan.scores for r in s.repeats} == {"executed"}
