"""The pages of a sheet: which rows of image folders are shown, and what is written beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

from harness.artifact import Images
from harness.data.image_folder import Row, rows
from harness.report import numbers
from harness.report.figures.canvas import Card, Column, cards_page, table_page

ROWS = 7
"""Of a table: one for each of the seven classes, where there are classes."""
CARDS = 24
PAIRS = 12


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
    chosen = _chosen(list(rows(Images(sheet.chosen_from))), ROWS)
    columns = [list(islice(rows(Images(folder)), max(chosen, default=0) + 1)) for folder in sheet.folders]
    lines = [[column[i] if i < len(column) else None for column in columns] for i in chosen]
    reals = _real_images([line[0] for line in lines], sheet.reals)
    beside = [words(i, line) for i, line in zip(chosen, lines, strict=True)]
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
    shown = [found[i] for i in _chosen(found, CARDS)]
    partners = _real_images(shown, reals)
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
        head = numbers.number(distance) if isinstance(distance, int | float) else ""
        names = [str(row.columns[side]) for side in ("generated", "training") if side in row.columns]
        cards.append(Card([row.path], f"distance {head}", " | ".join(names)))
    return cards_page(cards, "left: generated, right: the nearest training image")


def _chosen(found: Sequence[Row], count: int) -> list[int]:
    """Indices of ``count`` rows: as many of each label as possible, or evenly spread where there are none."""
    by_label: dict[str, list[int]] = {}
    for i, row in enumerate(found):
        by_label.setdefault(row.label or "", []).append(i)
    if len(by_label) == 1:
        step = max(len(found) / count, 1.0)
        return [math.floor(i * step) for i in range(min(count, len(found)))]
    in_turn = [i for turn in zip_longest(*by_label.values()) for i in turn if i is not None]
    order = list(by_label)
    return sorted(in_turn[:count], key=lambda i: (order.index(found[i].label or ""), i))


def _real_images(shown: Sequence[Row | None], folders: Sequence[Path]) -> list[Path | None]:
    """For each row the real image that its prompt is from: the row ``of`` names, in the nearest folder."""
    names = [str(row.columns["of"]) if row and row.columns.get("of") else "" for row in shown]
    found: dict[str, Path] = {}
    for folder in folders:
        lacking = {name for name in names if name} - found.keys()
        if lacking:
            found.update((row.name, row.path) for row in rows(Images(folder)) if row.name in lacking)
    return [found.get(name) for name in names]


def words(index: int, line: Sequence[Row | None]) -> tuple[str, str]:
    """Label and prompt of a row, where all its columns have the same; else its place in the folders."""
    labels = {row.label or "" for row in line if row}
    prompts = {" ".join(row.captions) for row in line if row}
    label = labels.pop() if len(labels) == 1 else ""
    prompt = prompts.pop() if len(prompts) == 1 else f"image {index + 1} of each point; the prompts differ"
    return numbers.clean(label, most=60), numbers.clean(prompt, most=300)
