"""SVG from the ground: what is escaped, rounded and cut."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from harness.compare import Verdict
from harness.report.html.svg import SERIES, element, fitted, percent, series_mark, text, verdict_mark


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
