"""Dots for repeats: both sides, equal seeds joined, worse to the right."""

from __future__ import annotations

from collections.abc import Mapping

from report.html.charts.drawn import across, is_filled, marks, parsed, texts

from harness.compare import Verdict
from harness.report.html.sections.seeds import IN_TABLE, MOST, SEEDS, Row, dots

BEFORE = {"seed=0": 0.80, "seed=1": 0.82, "seed=2": 0.81}
AFTER = {"seed=0": 0.70, "seed=1": 0.72, "seed=3": 0.71}


def row(
    before: Mapping[str, float] = BEFORE,
    after: Mapping[str, float] = AFTER,
    *,
    better: str = "higher",
    paired: bool = True,
) -> Row:
    return Row("classes.overall_accuracy", better, before, after, Verdict.REGRESSED, paired)


def joins(rows: list[Row]) -> int:
    return sum(e.get("stroke-opacity") == "0.6" for e in parsed(dots(rows)).iter("line"))


def test_each_seed_is_a_dot_and_shared_ones_are_joined() -> None:
    root = parsed(dots([row()]))
    assert [is_filled(m) for m in marks(root)] == [False] * 3 + [True] * 3
    assert joins([row()]) == 2
    assert joins([row(paired=False)]) == 0


def test_worse_is_to_the_right_whichever_way_the_metric_counts() -> None:
    for better, sign in (("higher", 1), ("lower", -1)):
        places = [across(m) for m in marks(parsed(dots([row(better=better)])))]
        assert sign * (min(places[3:]) - max(places[:3])) > 0


def test_the_ends_are_named_where_they_stand() -> None:
    root = parsed(dots([row()]))
    ends = {e.text: across(e) for e in root.iter("text") if e.text in ("0.820", "0.700")}
    assert ends["0.820"] < ends["0.700"]


def test_the_table_has_every_seed_of_either_side() -> None:
    table = dots([row()]).table
    assert [[c.text for c in cells][1:] for cells in table.rows] == [
        ["seed=0", "0.800", "0.700", "-0.100"],
        ["seed=1", "0.820", "0.720", "-0.100"],
        ["seed=2", "0.810", "", ""],
        ["seed=3", "", "0.710", ""],
    ]


def test_equal_figures_and_a_missing_side_are_drawn() -> None:
    same = dict.fromkeys(BEFORE, 1.0)
    assert joins([row(same, same)]) == 3
    root = parsed(dots([row({}, AFTER)]))
    assert "no figures" in texts(root)
    assert len(marks(root)) == 3


def test_what_is_too_much_is_cut_knowingly() -> None:
    many = {f"seed={i}": float(i) for i in range(500)}
    chart = dots([row(many, many)] * 30)
    assert len(marks(parsed(chart))) == MOST * 2 * SEEDS
    assert f"The worst {MOST} of 30 metrics are drawn." in chart.caption
    assert chart.table.left_out == 30 * 500 - IN_TABLE
