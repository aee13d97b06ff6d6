from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import StringIO

from compare.runs import repeats, run, score
from rich.console import Console

from harness.report.rescored import print_rescored
from harness.store.record import MetricInfo, Repeat, Run


def with_fields(fields: Mapping[str, list[float]], points: int = 1) -> Run:
    """A run of a metric ``m`` with these fields, three repeats of each."""
    made = tuple(
        Repeat({"train.seed": i}, f"k{i}", {name: values[i] for name, values in fields.items()})
        for i in range(3)
    )
    scores = [score(made, {"m.k": k} if points > 1 else {}) for k in range(points)]
    info = MetricInfo("m@1", {name: {"better": "higher"} for name in fields}, ("train.seed",))
    return run(*scores, metrics={"m": info})


def rows(before: Run, after: Run, width: int = 100) -> list[list[str]]:
    file = StringIO()
    print_rescored(Console(file=file, width=width, color_system=None), before, after, {"m"})
    return [line.split() for line in file.getvalue().splitlines()]


def test_means_stand_side_by_side_with_enough_digits_to_differ() -> None:
    before = with_fields({"up": [0.8, 0.82, 0.81], "down": [1.0, 2.0, 3.0], "same": [1.5, 1.5, 1.5]})
    after = with_fields({"up": [0.8001, 0.8201, 0.8101], "down": [1.0, 2.0, 2.7], "same": [1.5, 1.5, 1.5]})
    head, *body = rows(before, after)
    assert head == ["metric", "point", "repeats", "old", "new", "difference"]
    assert body == [
        ["m.up", "3", "0.8100", "0.8101", "+0.0001"],
        ["m.down", "3", "2.00", "1.90", "-0.10"],
        ["m.same", "3", "1.50", "1.50", "none"],
    ]


def test_a_field_that_only_one_side_has_is_new_or_gone() -> None:
    _, *body = rows(with_fields({"old": [1.0, 2.0, 3.0]}), with_fields({"fresh": [4.0, 5.0, 6.0]}))
    assert body == [["m.old", "3", "2", "–", "gone"], ["m.fresh", "3", "–", "5", "new", "field"]]


def test_each_point_has_its_row_and_thousands_are_counted() -> None:
    before = with_fields({"score": [1.0, 2.0, 3.0]}, points=250)
    body = rows(before, before)
    assert body[1][:2] == ["m.score", "k=0"]
    assert body[-1] == ["and", "50", "more", "rows"]


def test_metrics_that_were_not_computed_anew_are_left_out() -> None:
    before = with_fields({"score": [1.0, 2.0, 3.0]})
    other = score(repeats([0.1, 0.2, 0.3]), metric="other")
    metrics = {**before.metrics, "other": before.metrics["m"]}
    both = replace(before, scores=(*before.scores, other), metrics=metrics)
    assert [row[0] for row in rows(both, both)] == ["metric", "m.score"]
