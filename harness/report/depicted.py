"""Finds the pictures and texts behind a metric's per-item rows: the folder and row of each item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.artifact import Captions, Images
from harness.compare.explain import Part, Place
from harness.formats.image_folder import Row, rows
from harness.formats.strict_json import canonical
from harness.store.record import Repeat, Score
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
