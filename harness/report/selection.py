"""Which images of a run's artifacts are shown, in which order and under which words: for sheets and for pages.

Where a stage draws at several points of the matrix, a row is an item and a column a point: the same row of
every folder, in the first repeat, so that what changes along a row is what the axes change.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

from harness.artifact import EncodedPrompts, GeneratedImages, Images, Json
from harness.compare import wording
from harness.formats.image_folder import Row, rows
from harness.formats.strict_json import canonical
from harness.store.record import Run
from harness.store.run_artifacts import Made, Shelf

COLUMNS = 16
"""Points side by side, besides the reference; more points are shown in several parts."""
ROWS = 7
"""Items along points: one for each of the seven classes, where there are classes."""
CARDS = 24
"""Images of one folder."""
PAIRS = 12


@dataclass(frozen=True)
class Drawn:
    """What a stage generated: its image folders at the points of the matrix, in the first repeat."""

    name: str
    """The stage, and its output where it has several."""
    heads: Mapping[str, tuple[str, ...]]
    """Axis → its value at each point, the slowest axis first; only axes that differ, by the shortest clear name."""
    points: tuple[Made, ...]
    references: tuple[bool, ...]
    """Per point, whether it is the suite's reference."""
    reals: tuple[Made, ...]
    """Where the real image of a prompt may be, the nearest first."""

    def parts(self) -> list[Drawn]:
        """Points that fit side by side: about as many in each part, none of which ends amid the points that differ
        in the fastest axis alone, where there is room for these; the reference stands in front of the parts without it.
        """
        if len(self.points) <= COLUMNS:
            return [self]
        size = math.ceil(len(self.points) / math.ceil(len(self.points) / COLUMNS))
        together = self._fastest()
        whole = math.ceil(size / together) * together
        size = whole if whole <= COLUMNS else size
        starts = range(0, len(self.points), size)
        return [self._part(range(i, min(i + size, len(self.points)))) for i in starts]

    def _fastest(self) -> int:
        """How many points in a row differ in the last axis alone."""
        slow = list(zip(*list(self.heads.values())[:-1], strict=True))
        return next((i for i, values in enumerate(slow) if values != slow[0]), len(self.points))

    def _part(self, span: range) -> Drawn:
        star = self.references.index(True) if self.references.count(True) == 1 else span.start
        at = [*span] if star in span else [star, *span]
        return Drawn(
            self.name,
            {axis: tuple(values[i] for i in at) for axis, values in self.heads.items()},
            tuple(self.points[i] for i in at),
            tuple(self.references[i] for i in at),
            self.reals,
        )

    @property
    def along(self) -> str:
        """``"scheduler and steps"``; empty where there is one point."""
        return " and ".join(self.heads)


def generated(shelf: Shelf) -> Iterator[Drawn]:
    """Everything that was generated, stage by stage, as far as the store has it."""
    for made in shelf.by_name(GeneratedImages).values():
        points = _first_repeat(made)
        places = [m.task.point for m in points]
        axes = [axis for axis in places[0] if len({canonical(p[axis]) for p in places}) > 1]
        short = [axis.rpartition(".")[2] for axis in axes]
        names = short if len(set(short)) == len(short) else axes
        yield Drawn(
            name=points[0].name,
            heads={
                name: tuple(_spelled(p[axis]) for p in places) for name, axis in zip(names, axes, strict=True)
            },
            points=tuple(points),
            references=tuple(is_reference(shelf.run, m) for m in points),
            reals=tuple(_reals(shelf, points[0])),
        )


def shortest(points: Sequence[Made]) -> Made:
    """The first of the folders with the fewest images: items are chosen from it, so that every column has them."""
    return min(points, key=lambda made: sum(1 for _ in rows(Images(made.path))))


def closest_pairs(shelf: Shelf) -> Iterator[Made]:
    """Every folder of pairs with a distance, as a search for memorised images keeps them.

    Of several points the reference is taken, else the first.
    """
    for made in shelf.by_name(Images).values():
        shown = next((m for m in made if is_reference(shelf.run, m)), made[0])
        plain = shown.kind == Images.__name__
        if plain and any("distance" in row.columns for row in islice(rows(Images(shown.path)), 1)):
            yield shown


def chosen(found: Sequence[Row], count: int) -> list[int]:
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


def real_images(shown: Sequence[Row | None], folders: Sequence[Path]) -> list[Path | None]:
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
    return wording.clean(label, most=60), wording.clean(prompt, most=300)


def is_reference(run: Run, made: Made) -> bool:
    """Whether it lies at the suite's reference point, as far as the point's axes reach it."""
    point = made.task.point
    axes = [axis for axis in run.reference if axis in point]
    return bool(axes) and all(point[axis] == run.reference[axis] for axis in axes)


def where(made: Made, *, point: bool = True) -> str:
    """`` (seed=0)``: where the shown repeat lies."""
    place = wording.point({**(made.task.point if point else {}), **made.task.seeds})
    return f" ({place})" if place else ""


def _first_repeat(made: Sequence[Made]) -> list[Made]:
    """One for each point."""
    first: dict[str, Made] = {}
    for one in made:
        first.setdefault(canonical(one.task.point), one)
    return list(first.values())


def _spelled(value: Json) -> str:
    return wording.clean(value if isinstance(value, str) else canonical(value), most=60)


def _reals(shelf: Shelf, made: Made) -> list[Made]:
    """Real images that the prompts of generated ones may be from, the nearest first.

    Training images are real, too, and may have the same names: above prompts that were encoded, only what
    these were made from counts.
    """
    prompts = next((m for m in shelf.behind(made) if m.is_a(EncodedPrompts)), made)
    return [m for m in shelf.behind(prompts) if m.is_a(Images) and not m.is_a(GeneratedImages)]
