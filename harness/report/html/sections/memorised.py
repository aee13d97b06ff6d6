"""Memorisation: the generated images that are closest to a training image."""

from __future__ import annotations

from itertools import islice

from harness.compare.wording import clean, first_line, number
from harness.errors import StageError, StoreError
from harness.formats.image_folder import Row, rows
from harness.report.html.context import Context
from harness.report.html.parts import Block, Listing, Section, Strip, thumbnail
from harness.report.selection import PAIRS, closest_pairs, where
from harness.store.run_artifacts import Made, Shelf


def memorised(context: Context) -> Section | None:
    """Show the closest pairs with their distance; None if no stage searched for them or the store has none."""
    blocks: list[Block] = []
    try:
        for made in closest_pairs(Shelf(context.run, context.store)):
            blocks.append(_pairs(made))
    except (StoreError, StageError, OSError) as e:
        blocks.append(Listing("Not shown", (first_line(str(e)),)))
    lead = "A copy of a training image would stand here first, at a distance near 0."
    return Section("memorisation", "Memorisation", tuple(blocks), lead) if blocks else None


def _pairs(made: Made) -> Strip:
    shown = list(islice(rows(made.artifact), PAIRS))
    pictures = [thumbnail(r.path, _alt(r), label=_distance(r), note=_names(r)) for r in shown]
    unreadable = sum(p is None for p in pictures)
    caption = f"Left generated, right the nearest training image; nearest first{where(made)}."
    caption += f" {unreadable} of {len(shown)} cannot be read." if unreadable else ""
    return Strip(made.name, caption, (), (tuple(pictures),))


def _distance(row: Row) -> str:
    distance = row.columns.get("distance")
    return f"distance {number(distance)}" if isinstance(distance, int | float) else "distance unknown"


def _names(row: Row) -> str:
    names = (row.columns.get(side) for side in ("generated", "training"))
    return clean(" | ".join(str(name) for name in names if name is not None), most=120)


def _alt(row: Row) -> str:
    return f"Pair at {_distance(row)}: {_names(row)}"
