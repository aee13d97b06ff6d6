"""SVG: elements with escaped text, and the marks of charts."""

from __future__ import annotations

import unicodedata

from markupsafe import Markup, escape

from harness.compare import Verdict, wording

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

_VERDICTS = {
    Verdict.REGRESSED: ("right", True),
    Verdict.IMPROVED: ("left", True),
    Verdict.UNCHANGED: ("circle", True),
    Verdict.INCONCLUSIVE: ("diamond", False),
    Verdict.INCOMPARABLE: ("cross", False),
}
"""Shape, and whether it is filled. Certain verdicts are filled and point in the metric's direction (right: worse)."""


def colour(index: int) -> str:
    """Return the colour of the ``index``-th line or group."""
    return SERIES[index % len(SERIES)]


def verdict_colour(verdict: Verdict | None) -> str:
    """Return a value for ``fill`` or ``stroke``; the quiet colour without a verdict."""
    return QUIET if verdict is None else f"var(--{verdict})"


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


def verdict_mark(x: str, y: float, verdict: Verdict | None, *, about: str = "") -> Markup:
    shape, filled = ("square", False) if verdict is None else _VERDICTS[verdict]
    return mark(x, y, shape, verdict_colour(verdict), filled=filled, about=about)


def rule(x1: str, y1: float, x2: str, y2: float, hue: str = INK, **look: str | float) -> Markup:
    """Draw a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=hue, **look)
