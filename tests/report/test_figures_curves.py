"""Loss curves: which histories are drawn, how much of them, and that equal ones are equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st
from report.test_golden import RUN

from harness.artifact import Json
from harness.report.figures.curves import ROWS, curves
from harness.report.figures.drawing import Drawing
from harness.report.histories import summary
from harness.store.record import Run, TaskInfo

SVG = "{http://www.w3.org/2000/svg}"


def trained(*histories: Json, fact: str = "history") -> Run:
    """A run with one training per history, at points and seeds of their own."""
    tasks = tuple(
        TaskInfo(
            "model", f"k{i}", {"model.lr": 0.1 * (i // 2)}, {"model.seed": i % 2}, "cached", 1.0, {fact: h}
        )
        for i, h in enumerate(histories)
    )
    return replace(RUN, tasks=tasks)


def epochs(count: int, start: float = 2.0) -> list[Json]:
    return [{"epoch": i, "train_loss": start / i, "val_loss": start / i + 0.1} for i in range(1, count + 1)]


def only(run: Run) -> Drawing:
    (drawing,) = curves(run)
    return drawing


def strokes(svg: bytes) -> int:
    """How many lines of a loss a plot has: those are the clipped paths without fill, the grid's left out."""
    paths = ET.fromstring(svg).iter(f"{SVG}path")
    looks = [p.get("style", "") for p in paths if p.get("clip-path")]
    return sum("stroke: #e4e4e4" not in look for look in looks)


def test_every_repeat_and_column_is_a_line() -> None:
    drawing = only(trained(epochs(40), epochs(50), epochs(40, 3.0)))
    assert (drawing.file, drawing.title) == ("loss-model.svg", "Loss of model")
    assert drawing.alt == "train_loss, val_loss of model, 3 trainings"
    assert strokes(drawing.draw()) == 6


def test_a_validation_now_and_then_is_kept_whatever_is_thinned_out() -> None:
    """Steps without a validation have null, as text_to_image.finetune leaves them."""
    steps: list[Json] = [
        {"step": i, "train_loss": 1 / i, "validation_loss": 0.5 if i % 977 == 0 else None, "lr": 1e-4}
        for i in range(1, 5001)
    ]
    (line,) = depends(only(trained(steps)))
    assert len(line["rows"]) <= ROWS + 10
    assert [r["step"] for r in line["rows"] if r["validation_loss"]] == [977, 1954, 2931, 3908, 4885]
    assert line["rows"][-1]["step"] == 5000
    assert strokes(only(trained(steps)).draw()) == 2


def depends(drawing: Drawing) -> Sequence[dict[str, list[dict[str, float]]]]:
    assert isinstance(drawing.depends, list)
    return drawing.depends


@pytest.mark.parametrize("output", ["", "model."])
def test_the_history_of_a_named_output_counts_too(output: str) -> None:
    drawing = only(trained(epochs(3), fact=f"{output}history"))
    assert drawing.file == f"loss-model{'.' if output else ''}{output.rstrip('.')}.svg"


@pytest.mark.parametrize(
    "fact", [None, 3, "text", [], ["epoch"], [{"epoch": 1}], [{"epoch": 1, "loss": None}], {"loss": 1.0}]
)
def test_a_fact_of_that_name_without_losses_is_no_curve(fact: Json) -> None:
    assert list(curves(trained(fact))) == []
    assert summary(fact)


@draws(20)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"train_loss": st.none() | st.floats(allow_nan=True) | st.integers() | st.text(max_size=3)}
        ),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_a_history_holds_is_drawn_or_left_out(rows: list[Json]) -> None:
    for drawing in curves(trained(rows)):
        assert drawing.draw().startswith(b"<?xml")


def test_equal_histories_are_equal_bytes_without_a_date_and_with_text_as_shapes() -> None:
    first, second = (only(trained(epochs(5), epochs(6))).draw() for _ in range(2))
    assert first == second
    assert b"<dc:date>" not in first
    assert b"<text" not in first
    assert b"http://www.w3.org/2000/svg" in first


def test_losses_of_several_magnitudes_are_drawn_on_a_logarithmic_axis() -> None:
    def heights(factor: float) -> list[float]:
        """Of the points of a loss that falls by ``factor`` in each of three epochs."""
        rows: list[Json] = [{"epoch": i, "loss": factor**-i} for i in range(4)]
        svg = ET.fromstring(only(trained(rows)).draw())
        marks = [u for u in svg.iter(f"{SVG}use") if "#0072b2" in u.get("style", "")]
        return [float(mark.get("y", "nan")) for mark in marks]

    falling = heights(10.0)
    assert len(falling) == 4
    steps = [b - a for a, b in pairwise(falling)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)
    gently = heights(2.0)
    assert gently[1] - gently[0] == pytest.approx(4 * (gently[3] - gently[2]), rel=1e-3)


def test_a_history_is_summed_up_where_facts_are_listed() -> None:
    assert summary(epochs(12)) == "12 rows: epoch, train_loss, val_loss"
