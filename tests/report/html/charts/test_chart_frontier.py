"""Quality against cost as a drawing: efficient points, groups, levels, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.html.charts.drawn import across, is_filled, marks, parsed, texts, tips

from harness.report.frontier import Frontier, Spot
from harness.report.html.charts.frontier import GROUPS, IN_TABLE, MOST, along, quality_cost


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


def test_groups_at_one_cost_do_not_hide_each_other() -> None:
    root = parsed(along(FRONTIER))
    places = [across(m) for m in marks(root) if m.findtext("title")]
    assert len(set(places)) == 4


def test_ten_thousand_points_are_cut_knowingly_and_keep_what_matters() -> None:
    spots = tuple(
        Spot(f"writer {i % 500}", str(i), float(i), 1 / (1 + i) + (i % 7), 0.0, 0.0, i == 6000)
        for i in range(10_000)
    )
    chart = quality_cost(replace(FRONTIER, spots=spots))
    root = parsed(chart)
    assert len([m for m in marks(root) if m.findtext("title")]) == MOST
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
    assert len([m for m in marks(root) if m.findtext("title")]) <= MOST


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
