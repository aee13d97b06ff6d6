"""Images and words on one light page: how large they are and where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from harness.report.figures import style
from harness.report.figures.page import Page, Type, size_of

GAP, MARGIN = 6, 14
CELL = 144
"""Pixels that an image of a table may take on a side."""
PAIR, ALONE = 144, 200
"""The same on a card, beside another one and alone."""
TEXT = Type(12)
LINES = 5
"""Of text on a card, at most."""
PAGE = 1240
"""A page of cards is at most so wide; the text of a wider table grows with it, since it will be shown reduced."""
REFERENCE = "★"


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    heads: tuple[str, ...]
    """One word per axis, the slowest first."""
    images: Sequence[Path | None]
    """One per row."""
    is_reference: bool = False


@dataclass(frozen=True)
class Card:
    """Images side by side over a few words."""

    images: Sequence[Path]
    title: str
    text: str


def table_page(axes: Sequence[str], columns: Sequence[Column], words: Sequence[tuple[str, str]]) -> bytes:
    """A PNG: column heads by axis, equal neighbours joined; a row of images for each title and text."""
    side, _ = _shown_size(next((p for column in columns for p in column.images if p), None), CELL)
    images_width = len(columns) * (side + GAP)
    text = Type(min(max(12, round(12 * images_width / PAGE)), 20))
    labels = 18 * text.size
    top, left = MARGIN + (text.line + 3) * len(axes) + GAP, MARGIN + labels + 2 * GAP
    xs = [left + i * (side + GAP) for i in range(len(columns))]
    page = Page(left + images_width - GAP + MARGIN, top + len(words) * (side + GAP) - GAP + MARGIN, text)
    for line, axis in enumerate(axes):
        y = MARGIN + line * (text.line + 3)
        page.line(axis, MARGIN, y, labels, colour=style.QUIET, align="right")
        _heads(page, line, columns, xs, side, y, y + text.line)
    for row, (title, prompt) in enumerate(words):
        y = top + row * (side + GAP)
        page.block(title, prompt, MARGIN, y, labels, lines=side // text.line)
        for x, column in zip(xs, columns, strict=True):
            page.image(column.images[row], x, y, side, side)
    return page.to_png()


def _heads(
    page: Page, axis: int, columns: Sequence[Column], xs: Sequence[int], side: int, y: int, rule_y: int
) -> None:
    """The heads of one axis. Neighbours that agree on it and on the axes above share one, underlined."""
    is_last = axis == len(columns[0].heads) - 1
    placed = list(zip(xs, columns, range(len(xs)), strict=True))
    for _, group in groupby(placed, lambda p: p[2] if is_last else p[1].heads[: axis + 1]):
        (x, column, _), *others = group
        width = (others[-1][0] if others else x) + side - x
        is_marked = is_last and column.is_reference
        word = f"{REFERENCE} {column.heads[axis]}" if is_marked else column.heads[axis]
        page.line(word, x, y, width, bold=is_marked)
        if word and not is_last:
            page.rule(x, rule_y, width)


def cards_page(cards: Sequence[Card], note: str = "") -> bytes:
    """A PNG: cards in as many columns as a page has room for, below a note."""
    across = max((len(card.images) for card in cards), default=1)
    first = next((path for card in cards for path in card.images), None)
    side, height = _shown_size(first, PAIR if across > 1 else ALONE)
    width = across * (side + GAP) - GAP
    per_row = max(1, min((PAGE - 2 * MARGIN) // (width + 3 * GAP), len(cards)))
    lines = max(
        (bool(card.title) + len(TEXT.wrapped(card.text, width, LINES - 1)) for card in cards), default=0
    )
    top = MARGIN + (TEXT.line + GAP if note else 0)
    step_x, step_y = width + 3 * GAP, height + lines * TEXT.line + 3 * GAP
    page = Page(2 * MARGIN + per_row * step_x - 3 * GAP, top + -(-len(cards) // per_row) * step_y, TEXT)
    page.line(note, MARGIN, MARGIN, per_row * step_x, colour=style.QUIET, align="left")
    for i, card in enumerate(cards):
        x, y = MARGIN + i % per_row * step_x, top + i // per_row * step_y
        for j, path in enumerate(card.images):
            page.image(path, x + j * (side + GAP), y, side, height)
        page.block(card.title, card.text, x, y + height + GAP, width, lines=lines)
    return page.to_png()


def _shown_size(path: Path | None, most: int) -> tuple[int, int]:
    """Width and height on the page: a whole multiple of the image where it is small, else reduced.

    An image that is wider than high holds two side by side, and may take the width of two.
    """
    width, height = size_of(path) if path else (most, most)
    most = 2 * most if width > 1.5 * height else most
    factor = most // max(width, height)
    scale = float(factor) if factor else most / max(width, height)
    return round(width * scale), round(height * scale)
