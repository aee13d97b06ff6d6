"""Charts as SVG: elements with escaped text, marks and lines, and plots with two axes."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from harness.compare import wording

INK, QUIET, RULE, PAPER, ACCENT = (f"var(--{name})" for name in ("ink", "quiet", "rule", "paper", "accent"))
"""The page's colours, in both colour schemes."""
SMALL = 11
"""Font size in pixels of all text except names of rows."""


def element(name: str, *children: Markup | str, **attributes: str | float) -> Markup:
    """``<name …>children</name>``; text is escaped.

    Args:
        name: name of the element.
        children: content; markup is kept, text is escaped.
        attributes: by name, an underscore for a hyphen; numbers are rounded to a hundredth.
    """
    told = Markup("").join(
        Markup(' {}="{}"').format(Markup(key.rstrip("_").replace("_", "-")), _value(value))
        for key, value in attributes.items()
    )
    if not children:
        return Markup("<{0}{1}/>").format(Markup(name), told)
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), told, inside)


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def percent(share: float) -> str:
    """Return a horizontal position or length, from a share of the width in [0, 1]."""
    return _value(100 * share) + "%"


def drawing(title: str, description: str, height: float, *children: Markup) -> Markup:
    """Return the whole drawing, as wide as its container and ``height`` pixels high."""
    title = wording.clean(title)
    return element(
        "svg",
        element("title", title),
        element("desc", wording.clean(description)),
        *children,
        role="img",
        aria_label=title,
        width="100%",
        height=height,
        font_size=SMALL,
        fill=INK,
    )


def text(content: str, x: str, y: float, **attributes: str | float) -> Markup:
    """Draw one line of external text, with its baseline at ``y``."""
    return element("text", wording.clean(content), x=x, y=y, **attributes)


def tip(content: str) -> Markup:
    """Return a tooltip for the enclosing element."""
    return element("title", wording.clean(content))


def fitted(content: str, most: int) -> str:
    """Cut ``content`` visibly to the width of ``most`` Latin letters; East Asian characters and emoji count twice."""
    content, width = wording.clean(content), 0
    for i, letter in enumerate(content):
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if width > most:
            return content[: max(i - 1, 0)] + "…"
    return content


SERIES = ("#3b7fc4", "#d1651c", "#17916f", "#b5589a", "#a8800d", "#7a6fd0", "#808080")
"""Colours of lines and groups; each has a contrast of at least 3:1 with a white and with a dark page."""
SHAPES = {
    "circle": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0Z",
    "square": "M-4-4H4V4H-4Z",
    "up": "M0-5L5 4H-5Z",
    "diamond": "M0-5.5L5.5 0L0 5.5L-5.5 0Z",
    "down": "M0 5L5-4H-5Z",
    "right": "M6 0L-4 5.5V-5.5Z",
    "left": "M-6 0L4-5.5V5.5Z",
    "cross": "M-4.5-4.5L4.5 4.5M-4.5 4.5L4.5-4.5",
}
"""Outlines around (0, 0), about nine pixels wide."""
_IN_TURN = ("circle", "square", "up", "diamond", "down")
"""Shapes of the groups in turn. Their number differs from that of the colours, so together they identify 35 groups."""


def colour(index: int) -> str:
    """Return the colour of the ``index``-th line or group."""
    return SERIES[index % len(SERIES)]


def mark(
    x: str, y: float, shape: str, hue: str, *, filled: bool = True, size: float = 1.0, about: str = ""
) -> Markup:
    """Draw a shape at a position.

    Args:
        x: x of its centre, in percent of the width.
        y: y of its centre, in pixels.
        shape: a name in ``SHAPES``.
        hue: colour.
        filled: whether it is filled; otherwise only its outline is drawn.
        size: relative size; 1 is about nine pixels.
        about: text of the tooltip; no tooltip if empty.
    """
    scale = {} if size == 1.0 else {"transform": f"scale({size:g})"}
    look: dict[str, str | float] = {
        "fill": hue if filled else "var(--paper)",
        "stroke": hue,
        "stroke_width": 1.5,
    }
    outline = element("path", d=SHAPES[shape], **look, **scale)
    inside = [tip(about), outline] if about else [outline]
    return element("svg", *inside, x=x, y=y, overflow="visible")


def series_mark(x: str, y: float, index: int, *, filled: bool = True, about: str = "") -> Markup:
    """Draw the mark of the ``index``-th group."""
    return mark(x, y, _IN_TURN[index % len(_IN_TURN)], colour(index), filled=filled, about=about)


def rule(x1: str, y1: float, x2: str, y2: float, hue: str = INK, **look: str | float) -> Markup:
    """Draw a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=hue, **look)


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
