"""Quality against cost: which points, intervals, levels and names a picture has."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from compare.runs import gate, repeats, run, score, single
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st

from harness.artifact import Json
from harness.report.figures import style
from harness.report.figures.drawing import Drawing
from harness.report.figures.frontier import frontiers
from harness.report.figures.labels import place_labels
from harness.report.figures.scatter import plotted, scatter
from harness.report.frontier import MOST, Frontier, Spot
from harness.store.record import MetricInfo, Run, Score

LOWER, HIGHER = {"better": "lower", "floor": 0.0}, {"better": "higher", "floor": 0.0}
EVALUATIONS = {("pndm", 10): 11, ("pndm", 50): 51, ("unipc", 10): 10, ("unipc", 50): 50}
DISTANCES = {
    ("pndm", 10): [9.0, 9.4, 9.2],
    ("pndm", 50): [5.0, 5.2, 5.1],
    ("unipc", 10): [6.0, 6.3, 6.1],
    ("unipc", 50): [5.2, 5.3, 5.4],
}


def place(scheduler: str, steps: int) -> dict[str, Json]:
    return {"images.scheduler": scheduler, "images.steps": steps}


def swept(fields: Mapping[str, Mapping[str, Any] | None] | None = None, **changes: Any) -> Run:
    """Four points: ``fid.distance`` of three seeds at the evaluations that ``cost`` has."""
    scores = []
    for at, values in DISTANCES.items():
        found = repeats(values, field="distance")
        if fields:
            found = tuple(
                type(r)(r.seeds, r.key, {f: r.values["distance"] if f == "distance" else 2.0 for f in fields})
                for r in found
            )
        scores.append(score(found, place(*at), "fid"))
        scores.append(score(single(float(EVALUATIONS[at]), "evaluations"), place(*at), "cost"))
    metrics = {
        "fid": MetricInfo("frechet.distance@1", fields or {"distance": LOWER}, ("train.seed",)),
        "cost": MetricInfo("cost.sampling@1", {"evaluations": LOWER}, ()),
    }
    usual: dict[str, Any] = {
        "metrics": metrics,
        "reference": place("pndm", 50),
        "gates": (gate(0.1, metric="fid", field="distance", relative=True),),
    }
    return run(*scores, **{**usual, **changes})


def drawn(made: Run, folder: Path = Path("nowhere")) -> list[Drawing]:
    return list(frontiers(made, folder))


def figures(drawing: Drawing) -> Frontier:
    """What a drawing is of."""
    (frontier,) = drawing.draw.args
    assert isinstance(frontier, Frontier)
    return frontier


def test_a_gated_field_is_set_against_the_evaluations_with_the_interval_of_its_seeds() -> None:
    (drawing,) = drawn(swept())
    assert drawing.file == "cost-fid.distance.svg"
    frontier = figures(drawing)
    assert [(s.group, s.step, s.cost) for s in frontier.spots] == [
        ("pndm", "10", 11.0),
        ("pndm", "50", 51.0),
        ("unipc", "10", 10.0),
        ("unipc", "50", 50.0),
    ]
    spot = frontier.spots[1]
    assert spot.value == pytest.approx(5.1)
    half = 2.919986 * 0.1 / math.sqrt(3)  # Student's t, 95 % one-sided, 2 degrees of freedom
    assert (spot.low, spot.high) == pytest.approx((5.1 - half, 5.1 + half), rel=1e-5)
    assert [s.is_reference for s in frontier.spots] == [False, True, False, False]
    assert frontier.margin == pytest.approx(0.51)
    assert frontier.floor is None


def test_the_efficient_points_are_named_in_words() -> None:
    (drawing,) = drawn(swept())
    assert [(s.group, s.step) for s in figures(drawing).efficient] == [
        ("pndm", "50"),
        ("unipc", "10"),
        ("unipc", "50"),
    ]
    assert drawing.alt == (
        "fid.distance (lower is better) against network evaluations per image, 4 points; "
        "efficient: pndm 50, unipc 10, unipc 50"
    )


def test_the_floor_is_that_of_the_metrics_first_field() -> None:
    fields = {"distance": LOWER, "pca_32": LOWER, "floor": None}
    both = [gate(0.1, metric="fid", field=f) for f in ("distance", "pca_32")]
    floors = {d.file: figures(d).floor for d in drawn(swept(fields, gates=tuple(both)))}
    assert floors == {"cost-fid.distance.svg": 2.0, "cost-fid.pca_32.svg": None}


def test_a_field_may_have_a_floor_of_its_own() -> None:
    fields = {"distance": LOWER, "pca_32": LOWER, "pca_32_floor": None}
    (drawing,) = drawn(swept(fields, gates=(gate(0.1, metric="fid", field="pca_32"),)))
    assert figures(drawing).floor == 2.0


def test_without_gates_every_field_that_could_be_gated_is_drawn_up_to_a_limit() -> None:
    fields: dict[str, Mapping[str, Any] | None] = {"distance": LOWER, "spread": None}
    fields |= {f"recall_{i}": HIGHER for i in range(MOST + 3)}
    made = drawn(swept(fields, gates=()))
    assert len(made) == MOST
    assert made[0].file == "cost-fid.distance.svg"
    assert all(figures(d).margin is None for d in made)


def without(made: Run, *dropped: str) -> Run:
    metrics = {name: info for name, info in made.metrics.items() if name not in dropped}
    kept = tuple(s for s in made.scores if s.metric in metrics)
    return run(*kept, metrics=metrics, reference=made.reference, gates=made.gates)


def test_there_is_no_picture_without_a_cost_or_with_one_cost_for_all() -> None:
    assert drawn(without(swept(), "cost")) == []
    one = [s for s in swept().scores if s.point == place("pndm", 50)]
    assert drawn(run(*one, metrics=swept().metrics, gates=swept().gates)) == []


def test_a_failed_repeat_takes_its_point_out_of_the_picture() -> None:
    made = swept()

    def failed(s: Score) -> Score:
        return score(repeats([9.0, None, 9.2], field="distance"), s.point, "fid")

    broken = [failed(s) if (s.metric, s.point) == ("fid", place("pndm", 10)) else s for s in made.scores]
    (drawing,) = drawn(run(*broken, metrics=made.metrics, gates=made.gates))
    assert len(figures(drawing).spots) == 3


def test_a_gate_on_something_else_leaves_the_fields_that_could_be_gated() -> None:
    made = drawn(swept(gates=(gate(0.1, metric="cost", field="evaluations"),)))
    assert [d.file for d in made] == ["cost-fid.distance.svg"]


def test_another_cost_is_no_quality() -> None:
    made = swept(gates=())
    speed = {"s_per_image": LOWER, "images_per_s": HIGHER}
    metrics = {**made.metrics, "speed": MetricInfo("cost.speed@1", speed, ())}
    fast = [score(single(1.0, "s_per_image"), s.point, "speed") for s in made.scores if s.metric == "cost"]
    assert [d.file for d in drawn(run(*made.scores, *fast, metrics=metrics, gates=()))] == [
        "cost-fid.distance.svg"
    ]


def test_seconds_are_the_cost_where_evaluations_are_not_counted() -> None:
    made = swept()
    metrics = {**made.metrics, "cost": MetricInfo("cost.speed@1", {"s_per_image": LOWER}, ())}
    scores = [
        score(single(s.repeats[0].values["evaluations"] / 7, "s_per_image"), s.point, "cost")
        if s.metric == "cost"
        else s
        for s in made.scores
    ]
    (drawing,) = drawn(run(*scores, metrics=metrics, gates=made.gates))
    assert "seconds per image" in drawing.title


spots = st.lists(
    st.tuples(st.integers(1, 5), st.integers(-3, 3)).map(
        lambda at: Spot(f"{at[0]}", "", float(at[0]), float(at[1]), float(at[1]), float(at[1]), False)
    ),
    min_size=1,
    max_size=9,
)


@given(spots, st.sampled_from(["lower", "higher"]))
def test_efficient_points_beat_one_another_nowhere_and_all_others_somewhere(
    found: list[Spot], better: str
) -> None:
    frontier = Frontier("m.f", better, "cost", tuple(found), None, None)
    sign = 1 if better == "lower" else -1

    def beats(a: Spot, b: Spot) -> bool:
        ours, theirs = (a.cost, sign * a.value), (b.cost, sign * b.value)
        return ours != theirs and ours[0] <= theirs[0] and ours[1] <= theirs[1]

    best = frontier.efficient
    assert best
    assert not any(beats(a, b) for a, b in itertools.product(best, best))
    assert all(any(beats(a, b) for a in best) for b in found if b not in best)


def test_a_picture_shows_floor_margin_reference_and_interval_and_is_the_same_twice() -> None:
    fields = {"distance": LOWER, "floor": None}
    (drawing,) = drawn(swept(fields))
    svg = drawing.draw()
    assert svg == scatter(figures(drawing))
    ET.fromstring(svg)
    assert b"<text" not in svg
    assert b"<dc:date>" not in svg
    others = [drawn(swept()), drawn(swept(fields, reference={})), drawn(swept(fields, gates=()))]
    assert all(svg != other[0].draw() for other in others)


extreme = st.sampled_from([0.0, -0.0, 1e-300, -1e-300, 1.0, 1 + 2**-52, 1e6, -1e299, 1e299])


@draws(15)
@given(st.lists(st.tuples(st.floats(1e-3, 1e9), extreme, extreme, extreme), min_size=2, max_size=5))
def test_figures_of_any_size_are_drawn(found: list[tuple[float, float, float, float]]) -> None:
    made = tuple(Spot("", "1", *numbers, False) for numbers in found)
    ET.fromstring(scatter(Frontier("m.f", "higher", "cost", made, found[0][1], None)))


labels = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.text("abc 10", min_size=1, max_size=20), st.booleans()),
    min_size=1,
    max_size=25,
)


@draws(30)
@given(labels)
def test_labels_overlap_neither_one_another_nor_a_point_nor_the_frame(
    wanted: list[tuple[float, float, str, bool]],
) -> None:
    with style.settings():
        figure, axes = style.plot(height_in=4.0)
        axes.set_xlim(-0.1, 1.1)
        axes.set_ylim(-0.1, 1.1)
        figure.canvas.draw()
        place_labels(axes, wanted)
        points = axes.transData.transform([(x, y) for x, y, _, _ in wanted])
        boxes = [t.get_window_extent() for t in axes.texts]
    assert boxes or len(wanted) > 1
    for a, b in itertools.combinations(boxes, 2):
        assert not a.shrunk(0.98, 0.9).overlaps(b.shrunk(0.98, 0.9))
    for box in boxes:
        assert not any(box.contains(x, y) for x, y in points)
        assert box.x0 >= axes.bbox.x0 - 1
        assert box.x1 <= axes.bbox.x1 + 1


@pytest.mark.parametrize("name", ["a $b$ scheduler", "<script>", "صحراء", "🛰️ 漢字", "x" * 500])
def test_names_from_outside_are_text(name: str) -> None:
    made = tuple(Spot(name, str(i), i, 2.0 - i / 1000, 1.5, 2.5, i == 1) for i in (1.0, 20.0, 300.0))
    ET.fromstring(scatter(Frontier(f"m.{name}", "lower", "cost", made, 1.0, 0.5)))


def test_the_axis_of_costs_reaches_every_point() -> None:
    with style.settings():
        (axes,) = plotted(figures(drawn(swept())[0])).axes
    low, high = axes.get_xlim()
    assert low == 0
    assert 51 < high < 70
