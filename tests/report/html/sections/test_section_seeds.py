"""Every repeat of what is gated, on both sides."""

from __future__ import annotations

from pathlib import Path

from compare.runs import BASE, repeats, score, seeded, shifted, side, single
from report.html.charts.drawn import parsed
from report.html.sections.compared_runs import of, rows, written
from report.test_golden import NASTY

from harness.compare.sample import Side
from harness.report.html.parts import Chart
from harness.report.html.sections.seeds import seeds
from harness.store.record import MetricInfo


def chart(candidate: Side, baseline: Side | None, folder: Path) -> Chart:
    section = seeds(of(candidate, baseline, folder))
    assert section is not None
    (block,) = section.blocks
    assert isinstance(block, Chart)
    return block


def joined(drawn: Chart) -> int:
    return sum(e.get("stroke-opacity") == "0.6" for e in parsed(drawn).iter("line"))


def test_equal_seeds_are_set_side_by_side(tmp_path: Path) -> None:
    found = chart(seeded(shifted([-0.1] * 5)), seeded(BASE), tmp_path)
    assert rows(found.table)[0] == ["m.score", "seed=0", "0.800", "0.700", "-0.100"]
    assert joined(found) == 5


def test_seeds_are_the_same_in_whatever_order_they_are_named(tmp_path: Path) -> None:
    both = [repeats([v], "a.seed")[0] for v in BASE]
    forth = tuple(type(r)({"a.seed": i, "b.seed": i}, f"k{i}", r.values) for i, r in enumerate(both))
    back = tuple(type(r)({"b.seed": i, "a.seed": i}, f"k{i}", r.values) for i, r in enumerate(both))
    found = chart(side(score(forth)), side(score(back)), tmp_path)
    assert joined(found) == 5


def test_incomparable_seeds_are_not_joined(tmp_path: Path) -> None:
    other = side(score(repeats(BASE), protocol={"m.use": "m@2"}))
    found = chart(seeded(BASE), other, tmp_path)
    assert joined(found) == 0
    assert len(found.table.rows) == 5


def test_without_a_baseline_the_candidate_stands_alone(tmp_path: Path) -> None:
    found = chart(seeded(BASE), None, tmp_path)
    assert rows(found.table)[0] == ["m.score", "seed=0", "", "0.800", ""]


def test_points_are_averaged_seed_by_seed(tmp_path: Path) -> None:
    def at(k: int, values: list[float]) -> Side:
        return side(*(score(repeats([v + i for v in values]), {"m.k": i}) for i in range(k)))

    found = chart(at(3, BASE), at(3, BASE), tmp_path)
    assert rows(found.table)[0] == ["m.score (mean over 3 points)", "seed=0", "1.80", "1.80", "0"]


def test_a_field_that_only_one_side_has_and_single_values_are_left_out(tmp_path: Path) -> None:
    assert seeds(of(side(score(single(0.5))), None, tmp_path)) is None
    field = MetricInfo("m@1", {"other": {"better": "higher", "floor": 0.0}}, ("train.seed",))
    other = side(score(repeats(BASE, field="other")), metrics={"m": field})
    assert [row[2] for row in rows(chart(seeded(BASE), other, tmp_path).table)] == [""] * 5
    assert seeds(of(other, seeded(BASE), tmp_path)) is None


def test_a_failed_repeat_and_a_hostile_name_do_no_harm(tmp_path: Path) -> None:
    assert seeds(of(seeded([0.8, None, 0.9]), seeded(BASE), tmp_path)) is None
    found = side(score(repeats(BASE, seed=f"{NASTY}.seed")))
    assert "seed" in written(seeds(of(found, None, tmp_path)))
