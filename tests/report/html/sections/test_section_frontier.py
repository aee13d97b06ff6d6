"""Quality against cost, and along steps, from a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compare.runs import gate, repeats, score, side, single
from report.html.charts.drawn import parsed, tips
from report.html.sections.compared_runs import of, written
from report.test_golden import NASTY

from harness.artifact import Json
from harness.compare.sample import Side
from harness.report.html.parts import Chart
from harness.report.html.sections.frontier import frontier
from harness.store.record import MetricInfo, Score

LOWER = {"better": "lower", "floor": 0.0}
METRICS = {
    "kid": MetricInfo("kid@1", {"distance": LOWER}, ("train.seed",)),
    "cost": MetricInfo("cost@1", {"evaluations": LOWER}, ()),
}


def swept(*schedulers: str, cost: bool = True, **changes: Any) -> Side:
    scores: list[Score] = []
    for i, scheduler in enumerate(schedulers):
        for steps in (10, 50):
            at: dict[str, Json] = {"images.scheduler": scheduler, "images.steps": steps}
            values = [i + 1 / steps + v for v in (0.0, 0.01, 0.02)]
            scores.append(score(repeats(values, field="distance"), at, "kid"))
            if cost:
                scores.append(score(single(steps + i, "evaluations"), at, "cost"))
    metrics = METRICS if cost else {"kid": METRICS["kid"]}
    return side(*scores, metrics=metrics, gates=(gate(0.1, metric="kid", field="distance"),), **changes)


def charts(candidate: Side, folder: Path) -> list[Chart]:
    section = frontier(of(candidate, None, folder))
    assert section is not None
    return [b for b in section.blocks if isinstance(b, Chart)]


def test_a_field_is_set_against_its_cost_and_along_steps(tmp_path: Path) -> None:
    against, along = charts(swept("pndm", "unipc"), tmp_path)
    assert against.title == "kid.distance against network evaluations per image"
    assert along.title == "kid.distance along steps"
    assert "pndm 10: 0.110 [0.093, 0.127]" in tips(parsed(along))
    assert len(list(parsed(along).iter("polyline"))) == 2


def test_without_a_cost_the_steps_are_there_still(tmp_path: Path) -> None:
    section = frontier(of(swept("pndm", cost=False), None, tmp_path))
    assert section is not None
    assert section.title == "Metrics along steps"
    assert [b.title for b in section.blocks if isinstance(b, Chart)] == ["kid.distance along steps"]


def test_without_either_there_is_no_section(tmp_path: Path) -> None:
    assert frontier(of(side(score(single(0.5))), None, tmp_path)) is None
    assert frontier(of(side(), None, tmp_path)) is None


def test_hostile_names_of_groups_are_text(tmp_path: Path) -> None:
    assert "صحراء" in written(frontier(of(swept(NASTY, "pndm"), None, tmp_path)))
