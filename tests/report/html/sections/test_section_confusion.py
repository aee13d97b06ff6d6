"""Confusion matrices and classes, from what a metric leaves in its details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from compare.runs import gate, repeats, score, side
from report.html.sections.compared_runs import of, rows, written
from report.test_golden import NASTY

from harness.artifact import Json
from harness.compare.sample import Side
from harness.report.html.parts import Chart, Table
from harness.report.html.sections.confusion import MOST, POINTS, confusion
from harness.store.artifacts import Store
from harness.store.entries import Entry, Result
from harness.store.record import Score

CLASSES = ["bare", "crop", "water"]


def details(matrix: Sequence[Sequence[int]], classes: Sequence[str] = CLASSES) -> dict[str, Json]:
    """As ``classification.scores`` leaves them."""
    per_class = [
        {"class": name, "recall": row[i] / max(sum(row), 1), "precision": 0.5, "f1": 0.5, "support": sum(row)}
        for i, (name, row) in enumerate(zip(classes, matrix, strict=True))
    ]
    return {
        "confusion": {"classes": list(classes), "matrix": [list(r) for r in matrix]},
        "per_class": per_class,
    }


def scored(*found: Mapping[str, Json], metric: str = "m") -> Score:
    given = repeats([0.5 + 0.01 * i for i in range(len(found))])
    return score(tuple(replace(r, details=d) for r, d in zip(given, found, strict=True)), None, metric)


FIRST, SECOND = [[8, 2, 0], [1, 9, 0], [0, 5, 5]], [[6, 4, 0], [1, 9, 0], [0, 5, 5]]
BETTER = details([[10, 0, 0], [1, 9, 0], [0, 5, 5]])


def blocks(candidate: Side, baseline: Side | None, folder: Path) -> list[Table]:
    section = confusion(of(candidate, baseline, folder))
    assert section is not None
    return [b for b in section.blocks if isinstance(b, Table)]


def test_repeats_are_summed_and_tinted_by_the_share_of_the_label(tmp_path: Path) -> None:
    matrix, _ = blocks(side(scored(details(FIRST), details(SECOND))), None, tmp_path)
    assert matrix.columns == ("label \\ prediction", *CLASSES, "items")
    assert rows(matrix) == [
        ["bare", "14", "6", "·", "20"],
        ["crop", "2", "18", "·", "20"],
        ["water", "·", "10", "10", "20"],
    ]
    assert [c.heat for c in matrix.rows[0]] == [None, 0.7, 0.3, None, None]


def test_classes_stand_beside_the_baselines_the_largest_loss_first(tmp_path: Path) -> None:
    _, classes = blocks(side(scored(details(FIRST))), side(scored(BETTER)), tmp_path)
    assert classes.columns[:4] == ("class", "items", "recall", "baseline")
    assert rows(classes)[0][:4] == ["bare", "10", "0.800", "1"]
    assert "largest loss of recall first" in classes.caption


def test_an_accepted_baseline_has_its_classes_from_the_store(tmp_path: Path) -> None:
    """``harness accept`` drops details; the entries that they were made from may still be there."""
    trimmed = side(scored({}))
    context = of(side(scored(details(FIRST))), trimmed, tmp_path)
    section = confusion(context)
    assert section is not None
    assert "no longer has the baseline's" in written(section).replace("&#39;", "'")
    stored(context.store, "k0", BETTER)
    section = confusion(context)
    assert section is not None
    (classes,) = [b for b in section.blocks if isinstance(b, Table) and "by class" in b.caption]
    assert rows(classes)[0][:4] == ["bare", "10", "0.800", "1"]


def stored(store: Store, key: str, found: Mapping[str, Json]) -> None:
    store.begin(key)
    store.commit(Entry(key, "m@1", {}, Result({"score": 0.5}, {}, found, items=False), 1.0, {}, {}))


def test_many_classes_are_drawn_and_very_many_are_listed(tmp_path: Path) -> None:
    def shown(count: int) -> Chart | Table:
        names = [f"class {i}" for i in range(count)]
        square = [[int(i == j) + int(j == 0) for j in range(count)] for i in range(count)]
        section = confusion(of(side(scored(details(square, names))), None, tmp_path))
        assert section is not None
        found = section.blocks[0]
        assert isinstance(found, Chart | Table)
        return found

    assert isinstance(shown(12), Table)
    assert isinstance(shown(30), Chart)
    listed = shown(100)
    assert isinstance(listed, Table)
    assert listed.columns[:2] == ("label", "taken for")


def test_only_so_many_metrics_are_shown_gated_ones_first(tmp_path: Path) -> None:
    found = [scored(details(FIRST), metric=f"m{i}") for i in range(MOST + 2)] + [scored(details(FIRST))]
    section = confusion(of(side(*found), None, tmp_path))
    assert section is not None
    captions = [b.caption for b in section.blocks if isinstance(b, Table)]
    assert captions[0].startswith("Confusion of m:")
    assert section.lead == "Not shown, no worse than these: m3, m4, m5; the record has them."


def test_what_regressed_is_shown_before_the_rest_and_at_the_point_where_it_did(tmp_path: Path) -> None:
    def made(fell: float) -> Side:
        def at(metric: str, steps: int, by: float) -> Score:
            given = repeats([0.8 - by, 0.81 - by, 0.79 - by])
            given = tuple(replace(r, details=details(FIRST)) for r in given)
            return score(given, {"m.steps": steps}, metric)

        metrics = [f"m{i}" for i in range(MOST)]
        scores = [at(m, steps, 0.0) for m in metrics for steps in (1, 2)]
        scores += [at("fell", 1, 0.0), at("fell", 2, fell)]
        points = tuple(gate(0.02, metric="fell", at={"m.steps": s}) for s in (1, 2))
        gates = (*(gate(0.02, metric=m) for m in metrics), *points)
        return side(*scores, gates=gates, reference={"m.steps": 1})

    section = confusion(of(made(0.3), made(0.0), tmp_path))
    assert section is not None
    captions = [b.caption for b in section.blocks if isinstance(b, Table) and "Confusion" in b.caption]
    assert captions[0].startswith("Confusion of fell (steps=2)")
    assert captions[1].startswith("Confusion of m0 (steps=1)")
    assert section.lead.startswith("Of several points the one that regressed most is shown")


def at_points(*matrices: Sequence[Sequence[int]]) -> Side:
    """A point per matrix; the second is the reference."""
    scores = [replace(scored(details(matrix)), point={"m.train": i}) for i, matrix in enumerate(matrices)]
    return side(*scores, reference={"m.train": 1})


def test_classes_of_every_point_stand_side_by_side(tmp_path: Path) -> None:
    *_, points = blocks(at_points(FIRST, SECOND, [[10, 0, 0], [9, 1, 0], [0, 0, 10]]), None, tmp_path)
    assert points.caption == (
        "m: recall by class at each point, mean over the repeats, worst class first; ★ is the reference"
    )
    assert points.columns == ("class", "train=0", "★ train=1", "train=2")
    assert rows(points) == [
        ["crop", "0.900", "0.900", "0.100"],
        ["water", "0.500", "0.500", "1"],
        ["bare", "0.800", "0.600", "1"],
    ]
    assert [cell.heat for cell in points.rows[1][1:]] == [0.5, 0.5, None]


def test_of_many_points_the_reference_and_the_lowest_are_shown(tmp_path: Path) -> None:
    matrices = [[[i, 20 - i, 0], [0, 1, 0], [0, 0, 1]] for i in range(20)]
    matrices[1] = [[20, 0, 0], [0, 1, 0], [0, 0, 1]]
    *_, points = blocks(at_points(*matrices), None, tmp_path)
    lowest = [f"train={i}" for i in (0, *range(2, POINTS))]
    assert points.columns == ("class", lowest[0], "★ train=1", *lowest[1:])
    assert f"at {POINTS} of 20 points, the reference and the lowest" in points.caption


@pytest.mark.parametrize(
    "odd",
    [
        {"confusion": None},
        {"confusion": {"classes": CLASSES, "matrix": [[1]]}},
        {"confusion": {"classes": CLASSES, "matrix": [[1, 2, "x"]] * 3}},
        {"confusion": [1, 2]},
    ],
)
def test_a_detail_that_is_no_matrix_is_passed_over(odd: Mapping[str, Json], tmp_path: Path) -> None:
    assert confusion(of(side(scored(odd)), None, tmp_path)) is None


def test_a_label_without_items_and_a_hostile_class_do_no_harm(tmp_path: Path) -> None:
    names = [NASTY, "🛰", "empty"]
    html = written(
        confusion(of(side(scored(details([[1, 0, 0], [0, 2, 0], [0, 0, 0]], names))), None, tmp_path))
    )
    assert "صحراء" in html
