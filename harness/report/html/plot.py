"""A plot with two axes: scales, ticks, and the marks and lines drawn in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.report.html.svg import QUIET, RULE, element, fitted, percent, rule, text

TICKS = 5
"""Approximate number of ticks on an axis."""

LEAST, GREATEST = 1e-300, 1e300
"""Smallest distance and largest value that can be divided into ticks. Values closer together count as equal; larger
ones are put at the end of the axis."""


@dataclass(frozen=True)
class Scale:
    """An axis from ``low`` to ``high``, which are finite and different; both positive if ``log``."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the position in [0, 1]: 0 at the low end, 1 at the high end; values beyond are at the end."""
        if self.log:
            low, high, here = math.log(self.low), math.log(self.high), math.log(max(value, self.low))
        else:
            low, high, here = self.low, self.high, value
        return min(max((here - low) / (high - low), 0.0), 1.0)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Return round numbers within the axis, with their text."""
        values = _decades(self.low, self.high) if self.log else []
        if len(values) < 2:
            step = round_step((self.high - self.low) / TICKS)
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            values = [step * i for i in range(first, last + 1)]
        return [(v, _short(v)) for v in values]


def scale(
    values: Iterable[float], *, zero: bool = False, log_from: float = math.inf, pad: float = 0.06
) -> Scale:
    """Make an axis that includes all values with some padding.

    Args:
        values: values to include, non-finite ones ignored; without any, the axis is from 0 to 1.
        zero: start at 0 if no value is negative.
        log_from: logarithmic if all values are positive and span at least this factor.
        pad: padding at either end, as a share of the range.
    """
    found = [min(max(v, -GREATEST), GREATEST) for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(found), max(found)
    if low > 0 and high > LEAST and high >= log_from * low:
        return _logarithmic(max(low, LEAST), high, pad)
    if high - low < LEAST:
        half = abs(low) / 2 if abs(low) > LEAST else 0.5
        return Scale(low - half, high + half)
    room = (high - low) * pad
    return Scale(0.0 if zero and low >= 0 else low - room, high + room)


def _logarithmic(low: float, high: float, pad: float) -> Scale:
    """Make a logarithmic axis, using logarithms only: quotients and powers of 1e-300 and 1e300 over- or underflow."""
    room = math.log(high) - math.log(low)
    ends = (math.log(low) - pad * room, math.log(high) + pad * room)
    first, last = (math.exp(min(max(e, math.log(LEAST)), math.log(GREATEST))) for e in ends)
    return Scale(first, last, log=True)


def round_step(at_least: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is at least ``at_least`` (positive)."""
    power = 10.0 ** math.floor(math.log10(at_least))
    return power * next(m for m in (1, 2, 5, 10) if m * power >= at_least * (1 - 1e-9))


def _decades(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten within the axis; if too many, only (some of) the powers."""
    steps = (1, 2, 5) if high < 1e3 * low else (1,)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = 1 + (last - first) // (2 * TICKS)
    powers = (p for p in range(first, last + 1) if p % every == 0)
    return [m * 10.0**p for p in powers for m in steps if low <= m * 10.0**p <= high]


def _short(value: float) -> str:
    return f"{value + 0.0:.6g}"


LEFT, RIGHT = 0.12, 0.97
"""Start and end of the plot, as shares of the width; on a phone the left margin fits six digits."""
TOP = 26.0
LEGEND_ROW = 17.0
NARROW = 6
"""Labels with more characters are placed to the left of their tick at the right end of an axis."""
_UNITS = 1000.0
"""Width of a line's coordinate system, which is stretched to the plot."""


@dataclass(frozen=True)
class Plot:
    """Two axes and their names. Positions are (percent of the width, pixels from the top)."""

    x: Scale
    y: Scale
    x_label: str
    y_label: str
    """Shown above the plot, so that it can be read horizontally."""
    x_ticks: tuple[tuple[float, str], ...] | None = None
    """Ticks to use instead of the scale's own, for an axis with only a few values."""
    height: float = 210.0
    """Height of the plot without labels, in pixels."""

    @property
    def total(self) -> float:
        """Height with labels, without the legend, in pixels."""
        return TOP + self.height + 38

    def share(self, x: float) -> float:
        return LEFT + (RIGHT - LEFT) * self.x.at(x)

    def across(self, x: float) -> str:
        return percent(self.share(x))

    def down(self, y: float) -> float:
        return TOP + self.height * (1 - self.y.at(y))

    def frame(self) -> list[Markup]:
        """Draw grid, numbers and names of the axes."""
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
        """Draw a line through the points (x, y) in their order.

        ``shifts``, if any, move each point sideways, as shares of the width; ``width`` is in pixels.
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
        """Draw an interval at a position of the x axis."""
        return rule(x, self.down(low), x, self.down(high), hue, stroke_width=1.2, stroke_opacity=0.7)

    def band(self, low: float, high: float) -> Markup:
        """Draw a band across the plot, from one y value to another."""
        top, bottom = self.down(high), self.down(low)
        return element(
            "rect", x=percent(LEFT), y=top, width=percent(RIGHT - LEFT), height=max(bottom - top, 1.0), fill=RULE,
            fill_opacity=0.5,
        )  # fmt: skip

    def level(self, y: float) -> Markup:
        """Draw a dotted line across the plot."""
        at = self.down(y)
        return rule(percent(LEFT), at, percent(RIGHT), at, QUIET, stroke_width=1.3, stroke_dasharray="1.5 3")


def legend(entries: Sequence[tuple[Markup, str]], top: float) -> tuple[list[Markup], float]:
    """Draw a legend in two columns; return it and its height in pixels.

    Args:
        entries: for each a sample, drawn around (0, 0) and about 20 pixels wide, and its name.
        top: y of the first row, in pixels.
    """
    marks = []
    for i, (sample, name) in enumerate(entries):
        x, y = percent(0.5 * (i % 2)), top + LEGEND_ROW * (i // 2) + 10
        inside = element("g", sample, transform="translate(12 0)")
        label = element("text", fitted(name, 26), x=28, y=4)
        marks.append(element("svg", inside, label, x=x, y=y, overflow="visible"))
    return marks, LEGEND_ROW * ((len(entries) + 1) // 2)
