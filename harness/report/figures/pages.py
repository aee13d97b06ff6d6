"""The pages of a sheet: images of folders in their places, and what is written beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from harness.artifact import Images
from harness.compare import wording
from harness.formats.image_folder import rows
from harness.report.figures.canvas import Card, Column, cards_page, table_page
from harness.report.selection import CARDS, PAIRS, ROWS, chosen, real_images, words


@dataclass(frozen=True)
class Table:
    """A sheet with one column per point of the matrix."""

    heads: Mapping[str, tuple[str, ...]]
    """Axis → its value in each column, the slowest axis first."""
    references: tuple[bool, ...]
    """Per column, whether it is the reference point."""
    folders: tuple[Path, ...]
    """Of generated images, one per column."""
    chosen_from: Path
    """The folder whose rows decide which indices are shown."""
    reals: tuple[Path, ...]
    """Where the real image of a prompt may be."""


def table(sheet: Table) -> bytes:
    """A PNG: a row per item with its prompt, and its real image where there is one.

    Raises:
        StageError, UnreadableImageError, OSError: an artifact cannot be read.
    """
    indices = chosen(list(rows(Images(sheet.chosen_from))), ROWS)
    columns = [list(islice(rows(Images(folder)), max(indices, default=0) + 1)) for folder in sheet.folders]
    lines = [[column[i] if i < len(column) else None for column in columns] for i in indices]
    reals = real_images([line[0] for line in lines], sheet.reals)
    beside = [words(i, line) for i, line in zip(indices, lines, strict=True)]
    shown = [
        Column(
            tuple(values[at] for values in sheet.heads.values()),
            [row.path if row else None for row in (line[at] for line in lines)],
            is_reference,
        )
        for at, is_reference in enumerate(sheet.references)
    ]
    if any(reals):
        nothing = ("",) * (len(sheet.heads) - 1)
        shown.insert(0, Column((*nothing, "real"), reals))
    return table_page(list(sheet.heads), shown, beside)


def gallery(folder: Path, reals: Sequence[Path]) -> bytes:
    """A PNG: images of one folder with their prompts, each left of its real image where there is one.

    Raises:
        StageError, UnreadableImageError, OSError: an artifact cannot be read.
    """
    found = list(rows(Images(folder)))
    shown = [found[i] for i in chosen(found, CARDS)]
    partners = real_images(shown, reals)
    cards = [
        Card([p for p in (row.path, real) if p], *words(0, [row]))
        for row, real in zip(shown, partners, strict=True)
    ]
    note = "left: generated, right: the real image of the prompt" if any(partners) else ""
    return cards_page(cards, note)


def pairs(folder: Path) -> bytes:
    """A PNG: pictures of pairs with their distance, in the folder's order.

    Raises:
        StageError, UnreadableImageError, OSError: the artifact cannot be read.
    """
    cards = []
    for row in islice(rows(Images(folder)), PAIRS):
        distance = row.columns.get("distance")
        head = wording.number(distance) if isinstance(distance, int | float) else ""
        names = [str(row.columns[side]) for side in ("generated", "training") if side in row.columns]
        cards.append(Card([row.path], f"distance {head}", " | ".join(names)))
    return cards_page(cards, "left: generated, right: the nearest training image")
