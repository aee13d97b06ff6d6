"""The forest plot: where each effect stands, and that nothing hides."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.html.charts.drawn import across, is_filled, marks, parsed, texts, tips

from harness.compare import Estimate, Finding, Verdict
from harness.report.html.sections.verdicts import IN_TABLE, MOST, forest

FINDING = Finding(
    metric="kid",
    field="distance",
    better="lower",
    at={},
    points=1,
    against=None,
    gated=True,
    verdict=Verdict.UNCHANGED,
    reason="within the margin",
    estimate=Estimate(0.4, 0.41, 0.01, -0.01, 0.03, "seeds", 5, True),
    margin=0.05,
)


def finding(change: float, half: float = 0.01, **changes: Any) -> Finding:
    estimate = Estimate(0.4, 0.4 + change, change, change - half, change + half, "seeds", 5, True)
    return replace(FINDING, estimate=estimate, **changes)


def centre(root: ET.Element) -> float:
    """Where no change stands."""
    (line,) = (e for e in root.iter("line") if e.get("stroke-dasharray") == "2 3")
    return across(line, "x1")


@given(st.floats(-0.08, 0.08), st.sampled_from(["lower", "higher"]))
def test_worse_is_to_the_right_whichever_way_the_metric_counts(change: float, better: Any) -> None:
    root = parsed(forest([finding(change, half=0.005, better=better)]))
    worse = change if better == "lower" else -change
    (mark,) = marks(root)
    offset = across(mark) - centre(root)
    assert offset == pytest.approx(worse / 0.05 * (56 - 1.5) / 4, abs=0.02)


def test_a_row_says_name_point_verdict_and_numbers() -> None:
    chart = forest([finding(0.06, at={"images.steps": 10}, verdict=Verdict.REGRESSED)])
    root = parsed(chart)
    assert texts(root)[4:] == ["kid.distance steps=10", "regressed", "+0.0600 [0.0500, 0.0700]"]
    assert tips(root) == [
        "kid.distance (steps=10): 0.400 → 0.460, change +0.0600 [0.0500, 0.0700], margin 0.0500; 5 paired seeds. "
        "within the margin"
    ]
    assert root[1].text == "1 metric: 1 regressed. The table has the numbers."


def test_the_worst_stands_first() -> None:
    found = [
        finding(0.0, metric="same"),
        finding(0.08, metric="worse", verdict=Verdict.REGRESSED),
        finding(0.02, metric="unsure", verdict=Verdict.INCONCLUSIVE),
    ]
    chart = forest(found)
    names = [t.partition(".")[0] for t in texts(parsed(chart)) if ".distance" in t]
    assert names == ["worse", "unsure", "same"] == [row[0].text.partition(".")[0] for row in chart.table.rows]


def test_what_is_sure_is_filled() -> None:
    filled = {v: is_filled(marks(parsed(forest([finding(0.0, verdict=v)])))[0]) for v in Verdict}
    assert [v for v, yes in filled.items() if yes] == [Verdict.IMPROVED, Verdict.UNCHANGED, Verdict.REGRESSED]


def test_what_lies_far_outside_stands_at_the_edge_and_the_caption_says_so() -> None:
    chart = forest([finding(5.0, verdict=Verdict.REGRESSED), finding(0.0)])
    assert across(marks(parsed(chart))[0]) == 56
    assert "beyond 4 margins" in chart.caption
    assert "beyond" not in forest([finding(0.0)]).caption


def test_an_interval_that_leaves_the_strip_ends_in_arrows() -> None:
    root = parsed(forest([finding(0.0, half=9.0, verdict=Verdict.INCONCLUSIVE)]))
    assert [across(m) for m in marks(root)] == [1.5, 56, centre(root)]


@pytest.mark.parametrize(("change", "place"), [(0.1, 56), (0.0, 28.75), (-0.1, 1.5)])
def test_without_a_margin_to_spare_any_change_is_at_the_edge(change: float, place: float) -> None:
    root = parsed(forest([finding(change, half=0.0, margin=0.0)]))
    assert across(marks(root)[-1]) == place


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (replace(FINDING, estimate=None, reason="the run has no such score"), "the run has no such score"),
        (finding(math.nan), "nan [nan, nan]"),
    ],
)
def test_what_has_no_figures_says_why(odd: Finding, told: str) -> None:
    root = parsed(forest([odd]))
    assert not marks(root)
    assert told in texts(root)


def test_an_incomparable_effect_is_dashed() -> None:
    chart = forest([finding(0.02, verdict=Verdict.INCOMPARABLE)])
    assert 'stroke-dasharray="4 3"' in chart.svg
    assert "different protocols" in chart.caption


def test_a_long_point_has_a_line_of_its_own() -> None:
    at = {"images.scheduler": "dpmsolver++", "images.steps": 20}
    shown = texts(parsed(forest([finding(0.0, at=at)])))
    assert "kid.distance" in shown
    assert "scheduler=dpmsolver++, steps=20" in shown


def test_thousands_are_cut_knowingly() -> None:
    chart = forest([finding(0.0, at={"m.k": i}) for i in range(1000)])
    assert len(marks(parsed(chart))) == MOST
    assert chart.caption.endswith(f"The worst {MOST} of 1,000 are drawn.")
    assert (len(chart.table.rows), chart.table.left_out) == (IN_TABLE, 1000 - IN_TABLE)
    assert len(chart.svg) < 100_000


def test_nothing_at_all_is_drawn_empty() -> None:
    assert not marks(parsed(forest([])))


def test_names_are_text() -> None:
    chart = forest([finding(0.0, metric="<script>alert('x')</script>"), finding(0.0, metric="قياس 🛰")])
    assert "<script" not in chart.svg
    assert any("قياس 🛰" in t for t in texts(parsed(chart)))
