"""SVG from the ground: elements with escaped text, rounded numbers, and the root that screen readers name."""

from __future__ import annotations

import unicodedata

from markupsafe import Markup, escape

from harness.report import numbers

INK, QUIET, RULE, PAPER, ACCENT = (f"var(--{name})" for name in ("ink", "quiet", "rule", "paper", "accent"))
"""The page's colours, in both of its schemes."""
SMALL = 11
"""Font size of everything that is not a row's name, in pixels."""


def element(name: str, *children: Markup | str, **attributes: str | float) -> Markup:
    """``<name …>children</name>``; text is escaped.

    Args:
        name: of the element.
        children: markup as it is, text escaped.
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
    """A horizontal position or length, from a share of the width in [0, 1]."""
    return _value(100 * share) + "%"


def drawing(title: str, description: str, height: float, *children: Markup) -> Markup:
    """The whole: as wide as its place, ``height`` pixels high."""
    title = numbers.clean(title)
    return element(
        "svg",
        element("title", title),
        element("desc", numbers.clean(description)),
        *children,
        role="img",
        aria_label=title,
        width="100%",
        height=height,
        font_size=SMALL,
        fill=INK,
    )


def text(content: str, x: str, y: float, **attributes: str | float) -> Markup:
    """One line of text from outside, its baseline at ``y``."""
    return element("text", numbers.clean(content), x=x, y=y, **attributes)


def tip(content: str) -> Markup:
    """What a pointer over the element that holds it shows."""
    return element("title", numbers.clean(content))


def fitted(content: str, most: int) -> str:
    """``content``, cut visibly to the width of ``most`` Latin letters; East Asian ones and emoji count twice."""
    content, width = numbers.clean(content), 0
    for i, letter in enumerate(content):
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if width > most:
            return content[: max(i - 1, 0)] + "…"
    return content
