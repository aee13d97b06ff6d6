"""Sheets of samples: PNG files for reports that show pictures from a folder beside them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from harness.artifact import Json
from harness.report.figures.canvas import REFERENCE
from harness.report.figures.drawing import Drawing
from harness.report.figures.pages import Table, gallery, pairs, table
from harness.report.selection import Drawn, closest_pairs, generated, shortest, where
from harness.store.artifacts import Store
from harness.store.record import Run
from harness.store.run_artifacts import Shelf


def sheets(run: Run, store: Store) -> Iterator[Drawing]:
    """The drawings of everything that was generated, and of every folder of pairs, as far as the store has it."""
    shelf = Shelf(run, store)
    for drawn in generated(shelf):
        if len(drawn.points) > 1:
            yield from _tables(drawn)
        else:
            yield _gallery(drawn)
    for shown in closest_pairs(shelf):
        alt = f"The closest pairs of {shown.name}, nearest first, with their distance{where(shown)}"
        draw = partial(pairs, shown.path)
        yield Drawing(f"pairs-{shown.name}.png", "samples", shown.name, alt, shown.content, draw)


def _tables(drawn: Drawn) -> Iterator[Drawing]:
    first, parts = shortest(drawn.points), drawn.parts()
    for number, part in enumerate(parts, start=1):
        sheet = Table(
            heads=part.heads,
            references=part.references,
            folders=tuple(m.path for m in part.points),
            chosen_from=first.path,  # so that all parts and columns show the same rows
            reals=tuple(r.path for r in part.reals),
        )
        contents = [m.content for m in (*part.points, first, *part.reals)]
        depends: Json = [dict(part.heads), part.references, *contents]
        title = f"{drawn.name} along {drawn.along}" + (
            f", {number} of {len(parts)}" if len(parts) > 1 else ""
        )
        star = f"; {REFERENCE} is the reference" if any(part.references) else ""
        alt = f"One row per item, one column per {drawn.along}{where(part.points[0], point=False)}{star}"
        file = f"samples-{drawn.name}{f'-{number}' if number > 1 else ''}.png"
        yield Drawing(file, "samples", title, alt, depends, partial(table, sheet))


def _gallery(drawn: Drawn) -> Drawing:
    (made,) = drawn.points
    alt = f"Images of {made.name} with their prompts{where(made)}"
    depends: Json = [m.content for m in (made, *drawn.reals)]
    draw = partial(gallery, made.path, tuple(r.path for r in drawn.reals))
    return Drawing(f"samples-{made.name}.png", "samples", made.name, alt, depends, draw)
