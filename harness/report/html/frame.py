"""The frame of every page: sections of plain data in, one self-contained HTML file out.

Style and script stand in the page, pictures are data URIs or lie beside it; a policy in the page's head lets it
load nothing else and run no script but its own, whatever a caption contains.
"""

from __future__ import annotations

import base64
import math
import unicodedata
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.report.html.parts import Block, Cell, Chart, Listing, Section, Strip, Table
from harness.report.numbers import clean

MARKS = {
    "regressed": "✗",
    "incomparable": "≠",
    "inconclusive": "?",
    "unchanged": "=",
    "improved": "✓",
}
"""Tone → the symbol beside its word: colour never says anything alone."""

LONGEST_TEXT = 1_000
"""Characters of one text that are shown: a caption can be a book."""

LONGEST_LISTING = 20_000
"""Characters of a log or of commands."""


def page(title: str, sections: Sequence[Section], *, top: Markup, tab: str = "") -> str:
    """One HTML document that opens from disk.

    Args:
        title: the heading of the page.
        sections: in the order they are shown; their anchors are the page's navigation.
        top: what stands between the heading and the first section.
        tab: the document's name, in the browser's tab; by default the title.
    """
    anchors = [s.anchor for s in sections]
    assert len(set(anchors)) == len(anchors), f"an anchor twice: {anchors}"
    script = _source("page.js")
    document = templates().get_template("page.html.jinja")
    return document.render(
        title=title,
        tab=tab or title,
        sections=sections,
        top=top,
        style=Markup(stylesheet()),
        script=Markup(script),
        policy=_policy(script),
    )


def fragment(template: str, **values: Any) -> Markup:
    """A part of a page from one of our templates, its text escaped."""
    return Markup(templates().get_template(template).render(**values))


def stylesheet() -> str:
    """The CSS of every page: its colours are the variables that charts use."""
    return _source("style.css")


@cache
def templates() -> Environment:
    """Our templates: all text escaped, and cleaned of what would reorder or break the page."""
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_cleaned,
    )
    environment.filters |= {
        "dotted": _dotted,
        "image_source": _image_source,
        "isolated": _isolated,
        "preformatted": _preformatted,
        "sort_key": _sort_key,
    }
    environment.tests |= {kind.__name__.lower(): _is(kind) for kind in (Chart, Table, Strip, Listing)}
    environment.globals |= {"MARKS": MARKS}
    return environment


@cache
def _source(name: str) -> str:
    loader = templates().loader
    assert loader is not None
    return loader.get_source(templates(), name)[0]


def _policy(script: str) -> str:
    """Inline style attributes are allowed, since with nothing to load they can do no more than look odd."""
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data: 'self' file:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _cleaned(value: Any) -> Any:
    return clean(value, lines=True, most=LONGEST_TEXT) if type(value) is str else value


def _isolated(text: str) -> str | Markup:
    """Right-to-left text in an isolate, so that it does not reorder the numbers beside it."""
    if text.isascii() or not any(unicodedata.bidirectional(c) in ("R", "AL") for c in text):
        return text
    return Markup("<bdi>{}</bdi>").format(escape(_cleaned(text)))


def _dotted(name: str) -> Markup:
    """A name that may be broken after its dots."""
    return Markup(".<wbr>").join(map(_isolated, _cleaned(name).split(".")))


def _preformatted(lines: Sequence[str]) -> Markup:
    return escape(clean("\n".join(lines), lines=True, most=LONGEST_LISTING))


def _image_source(source: str) -> Markup:
    """Not cleaned like text: it may be long, and it is ours."""
    return escape(source)


def _sort_key(cell: Cell) -> str:
    """What the script sorts by; empty where the cell has no place among the numbers."""
    if cell.sort is None or math.isnan(cell.sort):
        return ""
    return f"{cell.sort:.12g}" if math.isfinite(cell.sort) else ("1e999" if cell.sort > 0 else "-1e999")


def _is(kind: type[Block]) -> Any:
    return lambda value: isinstance(value, kind)
