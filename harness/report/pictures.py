"""The pictures of a run that reports show: those behind a metric's per-item rows, and those that stages generated.

If a stage draws at several points of the matrix, a row is an item and a column is a point. A row shows the same row of
every folder, in the first repeat, so it shows only the effect of the axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

from harness.artifact import Captions, EncodedPrompts, GeneratedImages, Images, Json
from harness.compare import wording
from harness.compare.explain import Part, Place
from harness.formats.image_folder import Row, rows
from harness.formats.strict_json import canonical
from harness.store.record import Repeat, Run, Score
from harness.store.run_artifacts import Made, Shelf

Where = tuple[str, str]
"""Point and seeds, both as canonical JSON."""


@dataclass(frozen=True)
class Depicted:
    """The folder with the rows of a metric's items, at one point and repeat; two if the items are of two samples."""

    found: Mapping[str, tuple[Made, Row]]
    """Item → its folder and row."""

    @property
    def content(self) -> frozenset[str]:
        """Digests that determine its content."""
        return frozenset(made.content for made, _ in self.found.values())

    @property
    def has_pictures(self) -> bool:
        return any(made.is_a(Images) for made, _ in self.found.values())


class Items:
    """Looks up what the items of a run's metrics are, as far as the store has them.

    It uses the nearest folder upstream of the metric that has rows of these names: scores of predictions concern the
    classified images, scores of features the images that they were extracted from. If names begin with those of the
    metric's inputs (``real/…``, ``generated/…``), each name is looked up upstream of its own input.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._read: dict[str, dict[str, Row]] = {}

    def depicted(self, score: Score, repeat: Repeat, names: Iterable[str]) -> Depicted | None:
        """Return the folder that has ``names`` as rows; None if the store has none, or the items are something else.

        Raises:
            StageError, OSError: a folder cannot be read.
        """
        wanted = set(names)
        sides = {name.partition("/")[0] for name in wanted}
        if not sides or not sides <= self._shelf.inputs(score.metric):
            return self._nearest(score, repeat, wanted)
        found: dict[str, tuple[Made, Row]] = {}
        for side in sorted(sides):
            own = {name.removeprefix(f"{side}/") for name in wanted if name.startswith(f"{side}/")}
            depicted = self._nearest(score, repeat, own, side)
            if depicted is None:
                return None
            found.update({f"{side}/{name}": made for name, made in depicted.found.items()})
        return Depicted(found)

    def _nearest(
        self, score: Score, repeat: Repeat, wanted: set[str], behind: str | None = None
    ) -> Depicted | None:
        for made in self._shelf.behind_score(score, repeat, behind):
            if made.is_a(Images) or made.is_a(Captions):
                found = self._rows(made)
                if wanted and wanted <= found.keys():
                    return Depicted({name: (made, found[name]) for name in wanted})
        return None

    def behind(
        self, scores: Sequence[Score], parts: Iterable[Part], called: Sequence[Score] | None = None
    ) -> Shown:
        """Look up what the items of ``parts`` are at each point and repeat of ``scores``.

        Args:
            scores: scores of one metric, on this side.
            parts: parts by point and repeat (``apart=True``).
            called: for each score the one whose point is used in ``parts``; by default the score itself.

        Raises:
            StageError, OSError: a folder cannot be read.
        """
        names: dict[Where, list[str]] = {}
        for place in (p.place for p in parts):
            if place.item is not None:
                names.setdefault(_where(place), []).append(place.item)
        found: dict[Where, Depicted] = {}
        for score, other in zip(scores, called or scores, strict=True):
            for repeat in score.repeats:
                where = canonical(other.point), canonical(repeat.seeds)
                depicted = self.depicted(score, repeat, names.get(where, ()))
                if depicted:
                    found[where] = depicted
        return Shown(found)

    def _rows(self, made: Made) -> dict[str, Row]:
        if made.content not in self._read:
            self._read[made.content] = {row.name: row for row in rows(made.artifact)}
        return self._read[made.content]


@dataclass(frozen=True)
class Shown:
    """The folders and rows of items, by point and repeat."""

    found: Mapping[Where, Depicted]

    @property
    def apart(self) -> bool:
        """Whether the same name means different things at different points or repeats, as for newly drawn images."""
        return len({d.content for d in self.found.values()}) > 1

    def row(self, place: Place) -> Row | None:
        """Return an item's row; None if the store does not have it."""
        found = self._of(place)
        return found[1] if found else None

    def content(self, place: Place) -> str | None:
        """Return the digest of the folder that an item is in; None if the store has none."""
        found = self._of(place)
        return found[0].content if found else None

    def words(self, place: Place) -> str:
        """Return label and caption of an item that is an image or a prompt; empty for other items."""
        row = self.row(place)
        return ": ".join(filter(None, (row.label, " ".join(row.captions)))) if row else ""

    @property
    def has_pictures(self) -> bool:
        return any(d.has_pictures for d in self.found.values())

    def _of(self, place: Place) -> tuple[Made, Row] | None:
        found = self._at(place)
        return found.found.get(place.item) if found and place.item is not None else None

    def _at(self, place: Place) -> Depicted | None:
        """Return the folder of a place. An item without seeds is the same everywhere, so any folder serves."""
        if place.seeds is None:
            return next(iter(self.found.values()), None)
        return self.found.get(_where(place))


def _where(place: Place) -> Where:
    return place.point or "", canonical(dict(place.seeds or ()))


COLUMNS = 16
"""Maximum number of points side by side, besides the reference; more points are shown in several parts."""
ROWS = 7
"""Number of items shown along points: one for each of the seven classes, if there are classes."""
CARDS = 24
"""Maximum number of images shown of one folder."""
PAIRS = 12


@dataclass(frozen=True)
class Drawn:
    """What a stage generated: its image folders at the points of the matrix, in the first repeat."""

    name: str
    """The stage, and its output if it has several."""
    heads: Mapping[str, tuple[str, ...]]
    """Axis → its value at each point, the slowest axis first; only axes that vary, by the shortest unique name."""
    points: tuple[Made, ...]
    references: tuple[bool, ...]
    """Per point, whether it is the suite's reference."""
    reals: tuple[Made, ...]
    """Folders that may have the real image of a prompt, the nearest first."""

    def parts(self) -> list[Drawn]:
        """Split the points into parts of about equal size that fit side by side.

        Points that differ only in the fastest axis stay in one part if they fit. The reference is put in front of
        parts without it.
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
        """Return how many consecutive points differ only in the last axis."""
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
        """Names of the axes, such as ``"scheduler and steps"``; empty if there is one point."""
        return " and ".join(self.heads)


def generated(shelf: Shelf) -> Iterator[Drawn]:
    """Yield everything that was generated, by stage, as far as the store has it."""
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
    """Return the first folder with the fewest images: items are chosen from it, so that every column has them."""
    return min(points, key=lambda made: sum(1 for _ in rows(Images(made.path))))


def closest_pairs(shelf: Shelf) -> Iterator[Made]:
    """Yield every folder of pairs with a distance, as written by a search for memorised images.

    If there are several points, the reference is used, else the first.
    """
    for made in shelf.by_name(Images).values():
        shown = next((m for m in made if is_reference(shelf.run, m)), made[0])
        plain = shown.kind == Images.__name__
        if plain and any("distance" in row.columns for row in islice(rows(Images(shown.path)), 1)):
            yield shown


def chosen(found: Sequence[Row], count: int) -> list[int]:
    """Return indices of ``count`` rows: as many of each label as possible, or evenly spread without labels."""
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
    """Return for each row the real image that its prompt is from: the row named by ``of``, in the nearest folder."""
    names = [str(row.columns["of"]) if row and row.columns.get("of") else "" for row in shown]
    found: dict[str, Path] = {}
    for folder in folders:
        lacking = {name for name in names if name} - found.keys()
        if lacking:
            found.update((row.name, row.path) for row in rows(Images(folder)) if row.name in lacking)
    return [found.get(name) for name in names]


def words(index: int, line: Sequence[Row | None]) -> tuple[str, str]:
    """Return label and prompt of a row, if all its columns have the same; else its position in the folders."""
    labels = {row.label or "" for row in line if row}
    prompts = {" ".join(row.captions) for row in line if row}
    label = labels.pop() if len(labels) == 1 else ""
    prompt = prompts.pop() if len(prompts) == 1 else f"image {index + 1} of each point; the prompts differ"
    return wording.clean(label, most=60), wording.clean(prompt, most=300)


def is_reference(run: Run, made: Made) -> bool:
    """Whether the folder is at the suite's reference point, as far as it depends on that point's axes."""
    point = made.task.point
    axes = [axis for axis in run.reference if axis in point]
    return bool(axes) and all(point[axis] == run.reference[axis] for axis in axes)


def where(made: Made, *, point: bool = True) -> str:
    """Return the point and seeds of the shown repeat, such as `` (seed=0)``."""
    place = wording.point({**(made.task.point if point else {}), **made.task.seeds})
    return f" ({place})" if place else ""


def _first_repeat(made: Sequence[Made]) -> list[Made]:
    """Return the first repeat of each point."""
    first: dict[str, Made] = {}
    for one in made:
        first.setdefault(canonical(one.task.point), one)
    return list(first.values())


def _spelled(value: Json) -> str:
    return wording.clean(value if isinstance(value, str) else canonical(value), most=60)


def _reals(shelf: Shelf, made: Made) -> list[Made]:
    """Return folders of real images that the prompts of generated ones may be from, the nearest first.

    Training images are real, too, and may have the same names. So if the prompts were encoded, only folders upstream of
    the encoded prompts count.
    """
    prompts = next((m for m in shelf.behind(made) if m.is_a(EncodedPrompts)), made)
    return [m for m in shelf.behind(prompts) if m.is_a(Images) and not m.is_a(GeneratedImages)]
