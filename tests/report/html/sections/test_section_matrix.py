"""The matrix: points × fields, sorted, tinted and cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from compare.runs import gate, repeats, run, score, side, single
from report.html.sections.compared_runs import of, rows, written
from report.test_golden import NASTY

from harness.artifact import Json
from harness.compare.sample import Side
from harness.report.html.parts import Table
from harness.report.html.sections.matrix import ROWS, matrix
from harness.store.record import MetricInfo, Score

REFERENCE: Mapping[str, Json] = {"images.scheduler": "pndm", "images.steps": 50}
VALUES = {("pndm", 10): 0.5, ("pndm", 50): 0.8, ("unipc", 10): 0.7, ("unipc", 50): 0.8}


def scored(scheduler: str, steps: int, value: float | None, metric: str = "m") -> Score:
    at: dict[str, Json] = {"images.scheduler": scheduler, "images.steps": steps}
    spread = [None] * 3 if value is None else [value - 0.01, value, value + 0.01]
    return score(repeats(spread), at, metric)


def swept(*more: Score, **changes: Any) -> Side:
    scores = [scored(scheduler, steps, value) for (scheduler, steps), value in VALUES.items()]
    return side(*scores, *more, reference=REFERENCE, **changes)


def tables(candidate: Side, folder: Path) -> list[Table]:
    section = matrix(of(candidate, None, folder))
    assert section is not None
    return [b for b in section.blocks if isinstance(b, Table)]


def test_the_worst_point_stands_first_and_is_judged_against_the_reference(tmp_path: Path) -> None:
    table, _ = tables(swept(), tmp_path)
    assert table.columns == ("scheduler", "steps", "m.score ↑")
    assert rows(table)[:2] == [["pndm", "10", "0.500"], ["unipc", "10", "0.700"]]
    worst = table.rows[0][2]
    assert (worst.tone, worst.note) == ("regressed", "regressed")
    (reference,) = [row for row in table.rows if row[0].note == "reference"]
    assert [c.text for c in reference] == ["pndm", "50", "0.800"]
    assert reference[2].tone == ""


def test_the_better_the_stronger_the_tint(tmp_path: Path) -> None:
    for better, best in (("higher", 0.8), ("lower", 0.5)):
        info = MetricInfo("m@1", {"score": {"better": better, "floor": 0.0}}, ("train.seed",))
        table, _ = tables(swept(metrics={"m": info}), tmp_path)
        strongest = max((row[2] for row in table.rows), key=lambda cell: cell.heat or 0.0)
        assert strongest.sort is not None
        assert abs(strongest.sort - best) < 1e-9


def test_two_axes_make_a_table_of_both(tmp_path: Path) -> None:
    _, square = tables(swept(), tmp_path)
    assert square.columns == ("scheduler \\ steps", "10", "50")
    assert rows(square) == [["pndm", "0.500", "0.800"], ["unipc", "0.700", "0.800"]]


def test_a_metric_with_fewer_axes_has_its_figure_at_each_of_its_points(tmp_path: Path) -> None:
    cheap = [score(single(1.0), {"images.scheduler": s}, "cheap") for s in ("pndm", "unipc")]
    table, _ = tables(swept(*cheap), tmp_path)
    assert table.columns[3] == "cheap.score ↑"
    assert {row[3] for row in rows(table)} == {"1"}


def test_failed_and_excluded_points_say_so(tmp_path: Path) -> None:
    table, square = tables(swept(scored("euler", 10, None)), tmp_path)
    assert rows(table)[0] == ["euler", "10", "failed"]
    assert rows(square)[-1] == ["euler", "failed", ""]


def test_ten_thousand_points_are_cut_to_the_worst(tmp_path: Path) -> None:
    scores = [score(single(i / 10_000), {"m.a": i % 100, "m.b": i // 100}) for i in reversed(range(10_000))]
    (table,) = tables(side(*scores), tmp_path)
    assert (len(table.rows), table.left_out) == (ROWS, 10_000 - ROWS)
    assert table.rows[0][2].sort == 0
    assert "10,000 points" in table.caption


def test_without_a_matrix_there_is_none(tmp_path: Path) -> None:
    assert matrix(of(side(score(single(0.5))), None, tmp_path)) is None
    empty = Side(replace(run(), gates=()))
    assert matrix(of(empty, None, tmp_path)) is None


def test_hostile_names_of_points_are_text(tmp_path: Path) -> None:
    scores = [score(single(v), {"m.name": name}) for name, v in ((NASTY, 0.1), ("plain", 0.2))]
    assert "صحراء" in written(matrix(of(side(*scores, gates=(gate(0.1),)), None, tmp_path)))
