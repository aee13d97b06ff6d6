"""The pictures of quality against cost, one for each field that has one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from harness.compare import wording
from harness.compare.sample import Side
from harness.report.figures.drawing import Drawing
from harness.report.figures.scatter import scatter
from harness.report.frontier import Frontier, against_cost
from harness.store.items import ItemsReader
from harness.store.record import Run
from harness.store.record_file import items_file, read_items


def frontiers(run: Run, folder: Path) -> Iterator[Drawing]:
    """A drawing per field that varies with a cost over the matrix; the run's per-item rows are in ``folder``."""
    items = read_items(folder, run)
    reader = None if items is None else ItemsReader(items, str(items_file(folder, run)))
    yield from map(_drawing, against_cost(Side(run, reader)))


def _drawing(frontier: Frontier) -> Drawing:
    best = [" ".join(filter(None, (s.group, s.step))) for s in frontier.efficient]
    alt = (
        f"{frontier.name} ({frontier.better} is better) against {frontier.cost}, {len(frontier.spots)} points; "
        f"efficient: {wording.listed(best, 8)}"
    )
    title = f"{frontier.name} against {frontier.cost}"
    draw = partial(scatter, frontier)
    return Drawing(f"cost-{frontier.name}.svg", "cost", title, alt, asdict(frontier), draw)
