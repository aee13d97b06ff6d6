"""``ratings.json``: the ratings of each image, without blinding, as read by the stage ``reviews.read``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

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
