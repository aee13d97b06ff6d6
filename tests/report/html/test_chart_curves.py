"""Loss curves as a drawing."""

from __future__ import annotations

from dataclasses import replace

from report.html.charts.drawn import marks, parsed, texts
from report.test_golden import RUN

from harness.artifact import Json
from harness.report.facts import trainings
from harness.report.html.parts import Chart
from harness.report.html.sections.losses import LINES, NAMED, POINTS, ROWS, curves
from harness.store.record import TaskInfo


def drawn(*histories: Json) -> Chart:
    tasks = tuple(
        TaskInfo("model", f"k{i}", {"m.lr": i // 2}, {"m.seed": i % 2}, "cached", 1.0, {"history": h})
        for i, h in enumerate(histories)
    )
    (found,) = trainings(replace(RUN, tasks=tasks), ROWS).values()
    return curves("model", found)


def epochs(count: int, start: float = 2.0) -> list[Json]:
    return [{"epoch": i, "train_loss": start / i, "val_loss": start / i + 0.1} for i in range(1, count + 1)]


def test_training_is_dashed_and_what_was_held_out_is_solid() -> None:
    lines = list(parsed(drawn(epochs(10))).iter("polyline"))
    assert [line.get("stroke-dasharray") for line in lines] == ["4 3", "none"]


def test_points_have_colours_and_repeats_share_them() -> None:
    chart = drawn(epochs(5), epochs(6), epochs(7))
    lines = [line.get("stroke") for line in parsed(chart).iter("polyline")]
    assert lines[:4] == [lines[0]] * 4
    assert lines[4] != lines[0]
    assert {"lr=0", "lr=1", "train loss", "val loss"} <= set(texts(parsed(chart)))


def test_long_trainings_are_thinned_and_keep_their_end() -> None:
    steps: list[Json] = [
        {"step": i, "train_loss": 1 / i, "validation_loss": 0.5 if i % 7 == 0 else None}
        for i in range(1, 20_001)
    ]
    chart = drawn(steps)
    lines = [line.get("points", "").split() for line in parsed(chart).iter("polyline")]
    assert all(2 <= len(line) <= POINTS + 1 for line in lines)
    assert chart.table.rows[0][5].text == "5e-05"
    assert len(chart.svg) < 10_000


def test_a_single_row_shows_as_a_dot() -> None:
    assert len(marks(parsed(drawn([{"epoch": 1, "train_loss": 0.7}])))) == 1


def test_the_table_says_how_it_began_went_and_ended() -> None:
    history: list[Json] = [{"step": i, "loss": v} for i, v in enumerate((3.0, 1.0, 2.0))]
    assert [[c.text for c in row] for row in drawn(history).table.rows] == [
        ["lr=0", "seed=0", "loss", "3", "1", "2"]
    ]


def test_odd_rows_are_left_out() -> None:
    history: list[Json] = [
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": float("nan")},
        {"step": None, "loss": 0.5},
        {"step": 4, "loss": "gone"},
    ]
    (line,) = parsed(drawn(history)).iter("polyline")
    assert len(line.get("points", "").split()) == 2


def test_many_trainings_are_cut_knowingly() -> None:
    chart = drawn(*(epochs(3) for _ in range(60)))
    assert len(list(parsed(chart).iter("polyline"))) == 2 * LINES
    assert "24 of 60 trainings are drawn" in chart.caption
    assert f"and {LINES // 2 - NAMED} more" in texts(parsed(chart))
