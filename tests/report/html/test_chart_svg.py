"""SVG from the ground: what is escaped, rounded and cut."""

from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from markupsafe import Markup

from harness.compare import Verdict
from harness.report.html.context import verdict_mark
from harness.report.html.svg import (
    GREATEST,
    LEAST,
    SERIES,
    element,
    fitted,
    percent,
    round_step,
    scale,
    series_mark,
    text,
)


def test_text_and_attributes_from_outside_stay_text() -> None:
    hostile = '"><script>alert(1)</script>'
    assert str(element("text", hostile, x=hostile)) == (
        '<text x="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;">&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;</text>'
    )


def test_markup_is_nested_as_it_is() -> None:
    assert element("g", element("line", x1=0, stroke_width=1.0)) == Markup(
        '<g><line x1="0" stroke-width="1"/></g>'
    )


def test_controls_and_direction_overrides_do_not_reach_the_page() -> None:
    assert str(text("a\x07\u202eb\nc", "0%", 3)) == r'<text x="0%" y="3">a\x07\u202eb c</text>'


@pytest.mark.parametrize(
    ("value", "told"), [(1 / 3, "0.33"), (-0.001, "0"), (120.0, "120"), (2.50, "2.5"), (-1.25, "-1.25")]
)
def test_numbers_are_rounded_to_a_hundredth(value: float, told: str) -> None:
    assert str(element("rect", x=value)) == f'<rect x="{told}"/>'
    assert percent(value / 100) == f"{told}%"


@given(st.text(max_size=40), st.integers(2, 20))
def test_what_does_not_fit_is_cut_visibly(content: str, most: int) -> None:
    cut = fitted(content, most)
    width = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in cut)
    assert width <= most
    assert cut.endswith("…") or len(cut) <= most


@pytest.mark.parametrize("paper", ["#ffffff", "#12161c"])
def test_every_colour_of_a_series_is_told_from_light_and_dark_paper(paper: str) -> None:
    for hue in SERIES:
        light, dark = sorted((_luminance(hue), _luminance(paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, hue


def test_marks_are_told_apart_without_colours() -> None:
    verdicts = [str(verdict_mark("0%", 0, v)).partition("<path")[2] for v in (*Verdict, None)]
    assert len({v.partition(" fill=")[0] for v in verdicts}) == len(verdicts)
    groups = [str(series_mark("0%", 0, i)) for i in range(35)]
    assert len(set(groups)) == 35


def _luminance(hue: str) -> float:
    """Relative, as WCAG 2 defines it."""
    parts = [int(hue[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


VALUES = st.lists(
    st.floats(-1e9, 1e9, allow_nan=False).map(lambda v: float(f"{v:.6g}")), min_size=2, max_size=12
)


@example([1.0, 5e-324], 6.0)
@example([1.0, LEAST], 6.0)
@given(VALUES, st.sampled_from([math.inf, 6.0]))
def test_places_keep_the_order_of_the_values_and_lie_inside(values: list[float], log_from: float) -> None:
    """On a logarithmic axis, what is no greater than the least distance is at the end."""
    assume(max(values) - min(values) > max(LEAST, 1e-6 * max(map(abs, values))))
    axis = scale(values, log_from=log_from)
    places = [axis.at(v) for v in sorted(values)]
    assert places == sorted(places)
    assert 0 <= places[0] < places[-1] < 1
    assert (places[0] == 0) == (axis.log and min(values) <= LEAST)


@given(VALUES)
def test_the_named_numbers_are_few_round_and_different(values: list[float]) -> None:
    axis = scale(values)
    places = [axis.at(v) for v, _ in axis.ticks]
    labels = [label for _, label in axis.ticks]
    assert 2 <= len(labels) <= 8
    assert places == sorted(set(places))
    assert len(set(labels)) == len(labels) or max(values) - min(values) < 1e-4 * max(map(abs, values))


def test_costs_over_a_wide_range_are_logarithmic() -> None:
    axis = scale([10, 20, 1000], log_from=6)
    assert axis.log
    assert [label for _, label in axis.ticks] == ["10", "20", "50", "100", "200", "500", "1000"]
    assert axis.at(100) == pytest.approx(
        (math.log(100) - math.log(axis.low)) / (math.log(axis.high / axis.low))
    )


@pytest.mark.parametrize(
    "values",
    [
        [], [math.nan], [math.inf, math.nan], [0.0], [7.0, 7.0], [-2.0],
        [0.0, 5e-324], [1e-323], [-1.7e308, 1.7e308], [1.7e308, 1.6e308],
    ],
)  # fmt: skip
def test_hardly_any_values_still_make_an_axis(values: list[float]) -> None:
    axis = scale(values)
    assert axis.low < axis.high
    assert axis.ticks


POSITIVE = st.floats(0, exclude_min=True, allow_infinity=False)


@given(st.lists(POSITIVE, min_size=2, max_size=12), st.floats(2, 1e12), st.floats(0.01, 0.5))
@example([1.0, 1.1e-308], 6.0, 0.06)
@example([5e-324, 1.7e308], 6.0, 0.06)
@example([5e-324, 1e-320], 6.0, 0.06)
def test_any_positive_costs_have_places_and_few_named_numbers(
    values: list[float], log_from: float, pad: float
) -> None:
    axis = scale(values, log_from=log_from, pad=pad)
    assert 0 < axis.low < axis.high < math.inf or not axis.log
    places = [axis.at(v) for v in sorted(values)]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= 1
    if axis.log and min(values) > LEAST and max(values) < GREATEST:
        assert places[0] < places[-1]
    named = [axis.at(v) for v, _ in axis.ticks]
    assert named == sorted(named)
    assert 1 <= len(named) <= 12


@pytest.mark.parametrize(("least", "step"), [(0.3, 0.5), (1.0, 1.0), (13, 20), (51, 100), (0.002, 0.002)])
def test_steps_are_one_two_or_five(least: float, step: float) -> None:
    assert round_step(least) == pytest.approx(step)


def test_an_axis_begins_at_zero_where_that_is_asked() -> None:
    assert scale([1, 4], zero=True).low == 0
    assert scale([-1, 4], zero=True).low < -1
