from __future__ import annotations

from compare.runs import run
from leaderboard.board_runs import at, entry, sweep

from harness.leaderboard.rows import rows_of, varying


def test_every_point_of_the_matrix_is_a_row() -> None:
    rows = rows_of(entry(sweep()))
    assert [r.point for r in rows] == [{"images.scheduler": s} for s in ("pndm", "ddim", "euler")]
    assert all(r.axes == {"images.scheduler"} for r in rows)


def test_a_metric_that_knows_fewer_axes_stands_in_every_row() -> None:
    swept = [at(0.5, scheduler=s) for s in ("pndm", "ddim")]
    rows = rows_of(entry(run(*swept, at(0.9, "ceiling"))))
    assert [sorted(r.scores) for r in rows] == [["ceiling", "m"]] * 2
    assert rows[0].scores["ceiling"] is rows[1].scores["ceiling"]
    assert rows[0].scores["m"] is not rows[1].scores["m"]


def test_metrics_of_different_axes_make_rows_of_their_own() -> None:
    rows = rows_of(
        entry(run(at(0.5, scheduler="pndm"), at(0.5, "other", steps=10), at(0.6, "other", steps=20)))
    )
    assert [(dict(r.point), list(r.scores)) for r in rows] == [
        ({"images.scheduler": "pndm"}, ["m"]),
        ({"images.steps": 10}, ["other"]),
        ({"images.steps": 20}, ["other"]),
    ]


def test_only_what_the_suite_or_the_reader_compares_is_an_axis_of_rows() -> None:
    made = run(at(0.5, scheduler="pndm"), at(0.6, scheduler="ddim"))
    assert [r.axes for r in rows_of(entry(made))] == [frozenset()] * 2
    assert [r.axes for r in rows_of(entry(made), ["images.scheduler"])] == [{"images.scheduler"}] * 2


def test_a_run_without_scores_has_no_rows() -> None:
    assert rows_of(entry(run())) == []


def test_axes_come_first_among_what_varies() -> None:
    rows = [*rows_of(entry(sweep())), *rows_of(entry(run(at(0.5, n=20, scheduler="pndm"))))]
    assert varying(rows) == ["images.scheduler", "m.n"]
