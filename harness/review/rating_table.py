"""The ratings of each image, without blinding, and the means of a system with their intervals.

``ratings.json`` is read by the stage ``reviews.read``. A strict rater is strict with all systems. So each rating is
centred on its rater's mean, and the mean of these means is added back. Ratings of one image are not independent, nor
are those of one rater. So there are two standard errors: over images (these raters, other images) and, with at least
three raters, over raters (these images, other raters). The wider interval is reported with its unit. Neither interval
covers both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from harness.compare import stats
from harness.errors import UsageError
from harness.formats import files, strict_json
from harness.formats.strict_json import canonical, checked
from harness.review.key import Shown

FILE = "ratings.json"
SCHEMA = "harness.ratings-table/1"


@dataclass(frozen=True)
class Answers:
    """All answers of one person about one image."""

    scales: Mapping[str, int]
    """Scale → 1 to 5."""
    artefacts: tuple[str, ...]
    """Artefacts of the image; empty if it has none."""
    train: str
    comment: str
    seconds: int


@dataclass(frozen=True)
class Rated:
    """The rating of one image by one person."""

    rater: str
    shown: Shown
    answers: Answers

    @cached_property
    def image(self) -> str:
        """Name of the image, the same in every review as long as the names of stage and image stay."""
        return canonical([self.shown.stage, self.shown.point, self.shown.seeds, self.shown.item])


@dataclass(frozen=True)
class Ratings:
    """All used ratings of one review."""

    review: str
    run: str
    questions: str
    """Digest of the questions."""
    asked: str
    """How the images were requested: ``class``, ``sentence`` or empty."""
    rated: tuple[Rated, ...]

    @cached_property
    def first(self) -> tuple[Rated, ...]:
        """The ratings without second showings, which only measure the consistency of raters."""
        return tuple(r for r in self.rated if not r.shown.again)

    @cached_property
    def raters(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(r.rater for r in self.rated))

    @cached_property
    def scales(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for r in self.rated for name in r.answers.scales))

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems, sorted, with the real images first."""
        first = {r.shown.system: r.shown.control for r in self.first}
        return tuple(sorted(first, key=lambda name: (not first[name], name)))


def write(file: Path, ratings: Ratings) -> None:
    """Write the ratings; equal ratings give equal bytes. Raises OSError if the file cannot be written."""
    rows = [{"rater": r.rater, **asdict(r.shown), **asdict(r.answers)} for r in ratings.rated]
    head = {name: getattr(ratings, name) for name in ("review", "run", "questions", "asked")}
    body = {"schema": SCHEMA, **head, "ratings": rows}
    files.write(file, json.dumps(body, indent=1, ensure_ascii=False) + "\n")


def read(file: Path) -> Ratings:
    """Read what ``write`` wrote.

    Raises:
        UsageError: the file is not a ratings file, or is damaged.
    """
    body = strict_json.read(file)
    if not isinstance(body, dict) or body.get("schema") != SCHEMA:
        raise UsageError(f"{file}: not the {FILE} that harness review collect writes ({SCHEMA!r})")
    try:
        rows = [_rated(row) for row in body["ratings"]]
        if len({(r.rater, r.image, r.shown.again) for r in rows}) < len(rows):
            raise ValueError("a second rating of one image by one person")
        ratings = Ratings(body["review"], body["run"], body["questions"], body["asked"], tuple(rows))
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise UsageError(f"{file}: damaged ({type(e).__name__}: {e})") from None
    return checked(ratings, str(file))


def _rated(row: Mapping[str, Any]) -> Rated:
    shown = Shown(**{name: row[name] for name in Shown.__dataclass_fields__})
    scales = {str(name): value for name, value in row["scales"].items()}
    if not all(type(value) is int and 1 <= value <= 5 for value in scales.values()):
        raise ValueError(f"a rating outside 1 to 5: {scales}")
    if not isinstance(row["rater"], str) or type(row["seconds"]) is not int:
        raise ValueError(f"rated by {row['rater']!s:.20} in {row['seconds']!s:.20} seconds")
    given = Answers(scales, tuple(row["artefacts"]), row["train"], row["comment"], row["seconds"])
    return Rated(row["rater"], shown, given)


def of(rated: Sequence[Rated], system: str) -> list[Rated]:
    """Return the ratings of one system's images."""
    return [r for r in rated if r.shown.system == system]


def units(rated: Sequence[Rated], scale: str) -> dict[str, list[float]]:
    """Return image → its answers on a scale."""
    found: dict[str, list[float]] = {}
    for r in rated:
        found.setdefault(r.image, []).append(float(r.answers.scales[scale]))
    return found


LEAST = 3
"""Minimum number of images or raters for an interval."""

WORST, BEST = 1.0, 5.0
"""The ends of every scale."""

Value = Callable[[Rated], float]


@dataclass(frozen=True)
class Level:
    """A mean over ratings."""

    mean: float
    low: float | None
    """Ends of the 90 % interval; None if there are too few images."""
    high: float | None
    unit: Literal["images", "raters", ""]
    """The unit that the interval is over."""
    images: int
    raters: int


def answer(scale: str) -> Value:
    """Return a function that gets the answer on a scale."""
    return lambda rated: float(rated.answers.scales[scale])


def centred(rated: Sequence[Rated], value: Value) -> dict[tuple[str, str], float]:
    """Return (rater, image) → the value minus its rater's mean, plus the mean of the raters' means."""
    of_rater = _means((r.rater, value(r)) for r in rated)
    middle = sum(of_rater.values()) / len(of_rater)
    return {(r.rater, r.image): value(r) - of_rater[r.rater] + middle for r in rated}


def level(values: dict[tuple[str, str], float]) -> Level:
    """Compute the level of one system from centred answers on a scale. Every image has the same weight."""
    images = _means((image, v) for (_, image), v in values.items())
    raters = _means((rater, v) for (rater, _), v in values.items())
    mean = sum(images.values()) / len(images)
    spreads = {"images": _spread(images.values()), "raters": _spread(raters.values())}
    found = _wider(mean, spreads, len(images), len(raters))
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(found.low, WORST), high=min(found.high, BEST))  # the ends of the scale


def difference(ours: dict[tuple[str, str], float], theirs: dict[tuple[str, str], float]) -> Level:
    """Compute ours minus theirs from centred values of two systems: paired over raters, not over images."""
    sides = [_means((image, v) for (_, image), v in side.items()) for side in (ours, theirs)]
    mine, other = (_means((rater, v) for (rater, _), v in side.items()) for side in (ours, theirs))
    left, right = (list(side.values()) for side in sides)
    mean = sum(left) / len(left) - sum(right) / len(right)
    fewest = min(len(left), len(right))
    shared = [mine[r] - other[r] for r in mine if r in other]
    over_images = stats.welch(right, left) if fewest >= LEAST else None
    return _wider(mean, {"images": over_images, "raters": _spread(shared)}, fewest, len(shared))


def _spread(values: Iterable[float]) -> stats.Estimate | None:
    listed = list(values)
    return stats.clustered(listed) if len(listed) >= LEAST else None


def _wider(mean: float, spreads: dict[str, stats.Estimate | None], images: int, raters: int) -> Level:
    """Choose the wider interval; none without one over images, since few raters say nothing about other images."""
    over_images, over_raters = spreads["images"], spreads["raters"]
    if over_images is None:
        return Level(mean, None, None, "", images, raters)
    halves = {
        name: _half(s) for name, s in (("images", over_images), ("raters", over_raters)) if s is not None
    }
    unit: Literal["images", "raters"] = "raters" if halves.get("raters", 0.0) > halves["images"] else "images"
    return Level(mean, mean - halves[unit], mean + halves[unit], unit, images, raters)


def _half(spread: stats.Estimate) -> float:
    low, high = spread.interval()
    return (high - low) / 2


def _means(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    groups: dict[str, list[float]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in groups.items()}
