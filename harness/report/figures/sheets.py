"""Sheets of samples: which images of a run's artifacts stand side by side, and under which words.

Where a stage draws at several points of the matrix, a row is an item and a column a point: the same row of
every folder, in the first repeat, so that what changes along a row is what the axes change. Where it draws at
one point, a gallery. Pairs of images with a distance, as a search for memorised images keeps them, likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from harness.artifact import EncodedPrompts, GeneratedImages, Images, Json
from harness.canonical import canonical
from harness.data.image_folder import rows
from harness.record import Run
from harness.report import numbers
from harness.report.figures.canvas import REFERENCE
from harness.report.figures.drawing import Drawing
from harness.report.figures.pages import Table, gallery, pairs, table
from harness.report.figures.shelf import Made, Shelf
from harness.store import Store

COLUMNS = 16
"""Points on one sheet; more points are more sheets."""


def sheets(run: Run, store: Store) -> Iterator[Drawing]:
    """The drawings of everything that was generated, and of every folder of pairs, as far as the store has it."""
    shelf = Shelf(run, store)
    for made in shelf.by_name(GeneratedImages).values():
        columns = _first_repeat(made)
        if len(columns) > 1:
            yield from _tables(shelf, columns)
        else:
            yield _gallery(shelf, columns[0])
    for made in shelf.by_name(Images).values():
        shown = next((m for m in made if _is_reference(run, m)), made[0])
        plain = shown.kind == Images.__name__
        if plain and any("distance" in row.columns for row in islice(rows(Images(shown.path)), 1)):
            alt = f"The closest pairs of {shown.name}, nearest first, with their distance{_where(shown)}"
            draw = partial(pairs, shown.path)
            yield Drawing(f"pairs-{shown.name}.png", "samples", shown.name, alt, shown.content, draw)


def _first_repeat(made: Sequence[Made]) -> list[Made]:
    """One for each point."""
    first: dict[str, Made] = {}
    for one in made:
        first.setdefault(canonical(one.task.point), one)
    return list(first.values())


def _is_reference(run: Run, made: Made) -> bool:
    """Whether it lies at the suite's reference point, as far as the point's axes reach it."""
    point = made.task.point
    axes = [axis for axis in run.reference if axis in point]
    return bool(axes) and all(point[axis] == run.reference[axis] for axis in axes)


def _tables(shelf: Shelf, made: Sequence[Made]) -> Iterator[Drawing]:
    points = [m.task.point for m in made]
    axes = [axis for axis in points[0] if len({canonical(p[axis]) for p in points}) > 1]
    short = [axis.rpartition(".")[2] for axis in axes]
    names = short if len(set(short)) == len(short) else axes
    parts = [made[i : i + COLUMNS] for i in range(0, len(made), COLUMNS)]
    for part, shown in enumerate(parts, start=1):
        reals = _reals(shelf, shown[0])
        sheet = Table(
            heads={
                n: tuple(_spelled(m.task.point[a]) for m in shown) for n, a in zip(names, axes, strict=True)
            },
            references=tuple(_is_reference(shelf.run, m) for m in shown),
            folders=tuple(m.path for m in shown),
            chosen_from=made[0].path,  # so that all parts show the same rows
            reals=tuple(r.path for r in reals),
        )
        depends: Json = [dict(sheet.heads), sheet.references, *(m.content for m in (*shown, made[0], *reals))]
        name, along = made[0].name, " and ".join(names)
        title = f"{name} along {along}" + (f", {part} of {len(parts)}" if len(parts) > 1 else "")
        star = f"; {REFERENCE} is the reference" if any(sheet.references) else ""
        alt = f"One row per item, one column per {along}{_where(shown[0], point=False)}{star}"
        file = f"samples-{name}{f'-{part}' if part > 1 else ''}.png"
        yield Drawing(file, "samples", title, alt, depends, partial(table, sheet))


def _gallery(shelf: Shelf, made: Made) -> Drawing:
    reals = _reals(shelf, made)
    alt = f"Images of {made.name} with their prompts{_where(made)}"
    depends: Json = [m.content for m in (made, *reals)]
    draw = partial(gallery, made.path, tuple(r.path for r in reals))
    return Drawing(f"samples-{made.name}.png", "samples", made.name, alt, depends, draw)


def _spelled(value: Json) -> str:
    return numbers.clean(value if isinstance(value, str) else canonical(value), most=60)


def _where(made: Made, *, point: bool = True) -> str:
    """`` (seed=0)``: where the shown repeat lies."""
    place = numbers.point({**(made.task.point if point else {}), **made.task.seeds})
    return f" ({place})" if place else ""


def _reals(shelf: Shelf, made: Made) -> list[Made]:
    """Real images that the prompts of generated ones may be from, the nearest first.

    Training images are real, too, and may have the same names: above prompts that were encoded, only what
    these were made from counts.
    """
    prompts = next((m for m in shelf.behind(made) if m.is_a(EncodedPrompts)), made)
    return [m for m in shelf.behind(prompts) if m.is_a(Images) and not m.is_a(GeneratedImages)]
