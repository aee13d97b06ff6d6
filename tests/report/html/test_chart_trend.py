"""A figure over the accepted runs."""

from __future__ import annotations

from report.html.charts.drawn import is_filled, marks, parsed, texts, tips

from harness.compare.sample import Figure
from harness.report.html.sections.trend import MOST_RUNS, Stop, trend_chart


def stop(
    day: int, mean: float | None, *, is_break: bool = False, changed: bool = False, is_now: bool = False
) -> Stop:
    figure = None if mean is None else Figure(mean, mean - 0.1, mean + 0.1, 5, "seeds")
    return Stop(f"2026-03-{day:02d}", f"reason {day}", figure, is_break, changed, is_now)


def lines(stops: list[Stop]) -> list[int]:
    """How many runs each line goes through."""
    return [
        len(e.get("points", "").split()) for e in parsed(trend_chart("m.f", "lower", stops)).iter("polyline")
    ]


def test_runs_that_can_be_compared_are_joined() -> None:
    assert lines([stop(1, 1.0), stop(2, 1.1), stop(3, 1.2)]) == [3]
    assert lines([stop(1, 1.0), stop(2, 1.1), stop(3, 9.0, is_break=True), stop(4, 9.1)]) == [2, 2]
    assert lines([stop(1, 1.0), stop(2, 1.1), stop(3, None), stop(4, 1.1)]) == [2]


def test_a_change_of_protocol_is_a_broken_line_that_the_caption_explains() -> None:
    chart = trend_chart("m.f", "lower", [stop(1, 1.0), stop(2, 1.0, is_break=True)])
    assert sum(e.get("stroke-dasharray") == "5 4" for e in parsed(chart).iter("line")) == 1
    assert "cannot be compared" in chart.caption
    assert chart.table.rows[0][0].note == "the protocol changed"


def test_this_run_is_hollow_and_last() -> None:
    root = parsed(
        trend_chart("m.f", "higher", [stop(1, 1.0), stop(2, 1.2, changed=True), stop(3, 1.1, is_now=True)])
    )
    assert [is_filled(m) for m in marks(root)] == [True, True, False]
    assert tips(root)[1] == "2026-03-02: 1.20 [1.10, 1.30]. reason 2"
    assert texts(root)[0] == "m.f (higher is better)"


def test_a_single_run_and_one_without_a_figure_are_drawn() -> None:
    assert len(marks(parsed(trend_chart("m.f", "lower", [stop(1, 1.0)])))) == 1
    assert not marks(parsed(trend_chart("m.f", "lower", [stop(1, None)])))


def test_only_the_last_runs_are_drawn_and_the_table_has_all() -> None:
    stops = [stop(1 + i % 28, 1.0) for i in range(100)]
    chart = trend_chart("m.f", "lower", stops)
    assert len(marks(parsed(chart))) == MOST_RUNS
    assert "last 60 of 100" in chart.caption
    assert len(chart.table.rows) == 100
