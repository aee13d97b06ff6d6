"""Quality against cost as a drawing: efficient points, groups, levels, and what is left out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.html.charts.drawn import across, is_filled, marks, parsed, texts, tips

from harness.report.frontier import Frontier, Spot
from harness.report.html.parts import Chart
from harness.report.html.sections.frontier import GROUPS, IN_TABLE, MOST_POINTS, along, quality_cost
from harness.report.html.svg import LEFT, RIGHT


def spot(group: str, step: int, value: float, *, half: float = 0.1, is_reference: bool = False) -> Spot:
    return Spot(group, str(step), float(step), value, value - half, value + half, is_reference)


FRONTIER = Frontier(
    "kid.distance",
    "lower",
    "network evaluations per image",
    (
        spot("pndm", 10, 3.0),
        spot("pndm", 50, 1.0, is_reference=True),
        spot("unipc", 10, 2.0),
        spot("unipc", 50, 1.5),
    ),
    floor=0.5,
    margin=0.3,
)


def test_efficient_points_are_filled_joined_and_named_by_cost() -> None:
    chart = quality_cost(FRONTIER)
    root = parsed(chart)
    drawn = [m for m in marks(root) if m.findtext("title")]
    assert [is_filled(m) for m in drawn] == [False, True, True, False]
    assert "(unipc 10, pndm 50)" in chart.caption
    (front,) = root.iter("polyline")
    assert len(front.get("points", "").split()) == 2
    assert tips(root)[0] == "pndm 10: 3.00 [2.90, 3.10]"


def test_reference_margin_and_floor_are_shown_and_explained() -> None:
    chart = quality_cost(FRONTIER)
    root = parsed(chart)
    assert len(list(root.iter("circle"))) == 1
    assert len(list(root.iter("rect"))) == 1
    assert chart.caption.endswith(
        "Ring: the reference point; the band is its value ± the margin. "
        "Dotted: the floor, real images against real ones."
    )
    bare = replace(FRONTIER, floor=None, margin=None, spots=FRONTIER.spots[2:])
    plain = parsed(quality_cost(bare))
    assert not list(plain.iter("circle"))
    assert not list(plain.iter("rect"))


def test_the_table_has_every_point_best_first() -> None:
    table = quality_cost(FRONTIER).table
    assert [[c.text for c in row] for row in table.rows] == [
        ["pndm 50", "50", "1.00", "[0.90, 1.10]", "yes"],
        ["unipc 50", "50", "1.50", "[1.40, 1.60]", "no"],
        ["unipc 10", "10", "2.00", "[1.90, 2.10]", "yes"],
        ["pndm 10", "10", "3.00", "[2.90, 3.10]", "no"],
    ]
    assert table.rows[0][0].note == "reference"


def test_a_line_per_group_along_steps_at_the_steps_there_are() -> None:
    chart = along(replace(FRONTIER, cost="steps"))
    root = parsed(chart)
    assert len(list(root.iter("polyline"))) == 2
    assert {"10", "50"} <= set(texts(root))
    assert "30" not in texts(root)
    assert chart.title == "kid.distance along steps"
    assert chart.table.columns == ("point", "steps", "kid.distance", "90 % interval")


def placed(root: ET.Element) -> dict[str, float]:
    """Where each mark with a name stands, in percent of the width."""
    return {m.findtext("title", "").partition(":")[0]: across(m) for m in marks(root) if m.findtext("title")}


def line_ends(root: ET.Element) -> list[tuple[float, float]]:
    """Where each line begins and ends, in percent of the width."""
    found = []
    for line in root.iter("polyline"):
        xs = [float(point.partition(",")[0]) for point in line.get("points", "").split()]
        found.append((100 * LEFT + xs[0] * (RIGHT - LEFT) / 10, 100 * LEFT + xs[-1] * (RIGHT - LEFT) / 10))
    return found


def test_marks_stand_at_their_cost_where_nothing_overlaps() -> None:
    names = ("pndm", "ddim", "euler", "dpmsolver++", "unipc", "heun")
    spots = [spot(name, 10 + i, 9.0 - i, half=0.3) for i, name in enumerate(names)]
    chart = quality_cost(replace(FRONTIER, spots=(*spots, spot("heun", 100, 1.0))))
    root = parsed(chart)
    tick = next(e for e in root.iter("text") if e.text == "100")
    assert placed(root)["heun 100"] == across(tick)
    places = [placed(root)[f"{name} {10 + i}"] for i, name in enumerate(names)]
    assert places == sorted(places)
    assert "apart" not in chart.caption


def test_marks_of_one_cost_that_overlap_stand_apart_with_their_lines() -> None:
    close = (spot("pndm", 10, 2.0), spot("unipc", 10, 2.05), spot("pndm", 50, 1.0), spot("unipc", 50, 1.5))
    chart = along(replace(FRONTIER, spots=close, cost="steps"))
    at = placed(parsed(chart))
    assert at["pndm 10"] < at["unipc 10"]
    assert at["pndm 50"] == at["unipc 50"]
    for name, (first, last) in zip(("pndm", "unipc"), line_ends(parsed(chart)), strict=True):
        assert (first, last) == pytest.approx((at[f"{name} 10"], at[f"{name} 50"]), abs=0.02)
    assert "Points of equal steps that would hide each other stand slightly apart." in chart.caption


def test_the_efficient_line_ends_at_its_marks() -> None:
    tied = (spot("pndm", 10, 2.0), spot("unipc", 10, 2.0), spot("heun", 50, 1.0), spot("pndm", 50, 1.05))
    root = parsed(quality_cost(replace(FRONTIER, spots=tied)))
    at = placed(root)
    ((first, last),) = line_ends(root)
    assert (first, last) == pytest.approx((at["pndm 10"], at["heun 50"]), abs=0.02)


@given(st.lists(st.integers(1, 60), min_size=2, max_size=40), st.sampled_from([quality_cost, along]))
def test_setting_marks_apart_never_reverses_costs(
    costs: list[int], drawing: Callable[[Frontier], Chart]
) -> None:
    spots = tuple(spot(f"group {i % 9}", cost, 1.0 + i / 10) for i, cost in enumerate(costs))
    root = parsed(drawing(replace(FRONTIER, spots=spots, cost="cost")))
    found = sorted((int(name.rpartition(" ")[2]), x) for name, x in placed(root).items())
    for (cost, x), (other, y) in itertools.pairwise(found):
        assert x < y or cost == other


def test_ten_thousand_points_are_cut_knowingly_and_keep_what_matters() -> None:
    spots = tuple(
        Spot(f"writer {i % 500}", str(i), float(i), 1 / (1 + i) + (i % 7), 0.0, 0.0, i == 6000)
        for i in range(10_000)
    )
    chart = quality_cost(replace(FRONTIER, spots=spots))
    root = parsed(chart)
    assert len([m for m in marks(root) if m.findtext("title")]) == MOST_POINTS
    assert "150 of 10,000 points are drawn" in chart.caption
    assert len(list(root.iter("circle"))) == 1
    assert f"and {500 - GROUPS} more" in texts(root)
    assert (len(chart.table.rows), chart.table.left_out) == (IN_TABLE, 10_000 - IN_TABLE)
    assert len(chart.svg) < 60_000


def test_only_the_best_lines_of_many_are_drawn_and_the_references() -> None:
    spots = tuple(
        spot(f"writer {i}", steps, float(i), is_reference=i == 90 and steps == 1)
        for i in range(100)
        for steps in range(1, 40)
    )
    chart = along(replace(FRONTIER, spots=spots))
    root = parsed(chart)
    assert len(list(root.iter("polyline"))) == GROUPS
    assert {"writer 0", "writer 10", "writer 90"} <= set(texts(root))
    assert "A line for each of 12 of 100" in chart.caption
    assert len([m for m in marks(root) if m.findtext("title")]) <= MOST_POINTS


@pytest.mark.parametrize("drawing", [quality_cost, along])
def test_hostile_groups_and_equal_values_are_drawn(drawing: object) -> None:
    assert callable(drawing)
    odd = (spot("<script>", 10, 1.0, half=0.0), spot("مخطط 🛰", 50, 1.0, half=0.0))
    chart = drawing(replace(FRONTIER, spots=odd, floor=None))
    assert "<script" not in chart.svg
    assert "مخطط 🛰" in texts(parsed(chart))


PLACES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20)


@given(PLACES, st.sampled_from(["lower", "higher"]))
def test_efficient_is_what_no_other_beats(places: list[tuple[int, int]], better: str) -> None:
    spots = tuple(Spot("", str(c), float(c), float(v), v, v, False) for c, v in places)
    sign = 1 if better == "lower" else -1
    unbeaten = [
        s
        for s in spots
        if not any(
            o.cost <= s.cost and sign * o.value <= sign * s.value and (o.cost, o.value) != (s.cost, s.value)
            for o in spots
        )
    ]
    assert Frontier("m.f", better, "cost", spots, None, None).efficient == unbeaten
