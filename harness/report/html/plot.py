"""The frame of a plot with two axes, and what can be put into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.report.html.charts.marks import rule
from harness.report.html.charts.scale import Scale
from harness.report.html.charts.svg import QUIET, RULE, element, fitted, percent, text

LEFT, RIGHT = 0.12, 0.97
"""Where the axes begin and end, as shares of the width: on a telephone the left one holds six digits."""
TOP = 26.0
LEGEND_ROW = 17.0
NARROW = 6
"""Longer labels at the right end of an axis stand to the left of their place."""
_UNITS = 1000.0
"""Width of the coordinates of a line, which is stretched to its place."""


@dataclass(frozen=True)
class Plot:
    """Two axes and their names. A place is (percent of the width, pixels from above)."""

    x: Scale
    y: Scale
    x_label: str
    y_label: str
    """Stands above the plot, so that it is read level."""
    x_ticks: tuple[tuple[float, str], ...] | None = None
    """Instead of the scale's own: where an axis has only some values."""
    height: float = 210.0
    """Of the plot alone."""

    @property
    def total(self) -> float:
        """Height with labels, before any legend."""
        return TOP + self.height + 38

    def share(self, x: float) -> float:
        return LEFT + (RIGHT - LEFT) * self.x.at(x)

    def across(self, x: float) -> str:
        return percent(self.share(x))

    def down(self, y: float) -> float:
        return TOP + self.height * (1 - self.y.at(y))

    def frame(self) -> list[Markup]:
        """Grid, numbers and names of the axes."""
        bottom = TOP + self.height
        marks = [text(fitted(self.y_label, 56), "0%", 12, fill=QUIET)]
        for value, label in self.y.ticks:
            at = self.down(value)
            marks.append(rule(percent(LEFT), at, percent(RIGHT), at, RULE, stroke_width=0.7))
            marks.append(text(label, percent(LEFT - 0.012), at + 4, text_anchor="end", fill=QUIET))
        marks.append(rule(percent(LEFT), bottom, percent(RIGHT), bottom, QUIET))
        for value, label in self.x.ticks if self.x_ticks is None else self.x_ticks:
            at_x = self.across(value)
            marks.append(rule(at_x, bottom, at_x, bottom + 4, QUIET))
            anchor = "end" if len(label) > NARROW and self.x.at(value) > 0.8 else "middle"
            marks.append(text(label, at_x, bottom + 16, text_anchor=anchor, fill=QUIET))
        marks.append(text(self.x_label, percent(RIGHT), bottom + 32, text_anchor="end", fill=QUIET))
        return marks

    def line(
        self,
        points: Sequence[tuple[float, float]],
        hue: str,
        *,
        shifts: Sequence[float] = (),
        width: float = 1.5,
        dashes: str = "none",
    ) -> Markup:
        """A line through (x, y), in their order, each set off by its shift, if any (a share of the width); ``width`` in
        pixels.
        """
        aside = [shift / (RIGHT - LEFT) for shift in shifts] or [0.0] * len(points)
        places = " ".join(
            f"{_UNITS * (self.x.at(x) + shift):.1f},{self.down(y) - TOP:.1f}"
            for (x, y), shift in zip(points, aside, strict=True)
        )
        path = element(
            "polyline",
            points=places,
            fill="none",
            stroke=hue,
            stroke_width=width,
            stroke_dasharray=dashes,
            vector_effect="non-scaling-stroke",
        )
        return element(
            "svg", path, x=percent(LEFT), y=TOP, width=percent(RIGHT - LEFT), height=self.height,
            viewBox=f"0 0 {_UNITS:g} {self.height:g}", preserveAspectRatio="none", overflow="visible",
        )  # fmt: skip

    def whisker(self, x: str, low: float, high: float, hue: str) -> Markup:
        """An interval at a place of the x axis."""
        return rule(x, self.down(low), x, self.down(high), hue, stroke_width=1.2, stroke_opacity=0.7)

    def band(self, low: float, high: float) -> Markup:
        """All across, from one height to another."""
        top, bottom = self.down(high), self.down(low)
        return element(
            "rect", x=percent(LEFT), y=top, width=percent(RIGHT - LEFT), height=max(bottom - top, 1.0), fill=RULE,
            fill_opacity=0.5,
        )  # fmt: skip

    def level(self, y: float) -> Markup:
        """A dotted line all across."""
        at = self.down(y)
        return rule(percent(LEFT), at, percent(RIGHT), at, QUIET, stroke_width=1.3, stroke_dasharray="1.5 3")


def legend(entries: Sequence[tuple[Markup, str]], top: float) -> tuple[list[Markup], float]:
    """Samples and what they mean, two beside each other; and the height that they take.

    Args:
        entries: drawn around (0, 0), about 20 pixels wide, and its name.
        top: where the first row begins.
    """
    marks = []
    for i, (sample, name) in enumerate(entries):
        x, y = percent(0.5 * (i % 2)), top + LEGEND_ROW * (i // 2) + 10
        inside = element("g", sample, transform="translate(12 0)")
        label = element("text", fitted(name, 26), x=28, y=4)
        marks.append(element("svg", inside, label, x=x, y=y, overflow="visible"))
    return marks, LEGEND_ROW * ((len(entries) + 1) // 2)
