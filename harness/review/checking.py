"""Checks the files of reviewers: whether they are unedited ratings of this review, and how complete."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.compare import wording
from harness.errors import UsageError
from harness.formats import strict_json
from harness.review import NO_TAG, TAGS, TRAIN, scales
from harness.review.key import Key
from harness.review.rating_table import Answers, Rated

SCHEMA = "harness.ratings/1"
LEAST_SHARE = 0.5
"""Minimum share of rated images in a file; others are left out unless requested."""

MOST_SECONDS = 3600
"""Maximum time on one image, as counted by the page."""


@dataclass(frozen=True)
class Sheet:
    """The ratings of one reviewer."""

    rater: str
    file: Path
    exported: datetime
    rated: tuple[Rated, ...]
    """Images with all questions answered, in page order."""
    begun: int
    """Number of images with only some questions answered; they do not count."""
    share: float
    """Share of the page that was rated."""


@dataclass(frozen=True)
class Checked:
    """Usable sheets by reviewers' names, and a line for every file that was left out or is incomplete."""

    sheets: tuple[Sheet, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def check(files: Sequence[Path], key: Key, *, partial: bool = False) -> Checked:
    """Read every file, keep the ratings of this review, and report what is wrong with the other files.

    Of two files under one name (ignoring case), the later export counts; of two with equal answers, the first.
    """
    sheets: dict[str, Sheet] = {}
    left_out, notes = [], []
    for file in dict.fromkeys(files):
        try:
            sheet = read(file, key)
        except UsageError as e:
            left_out.append(str(e))
            continue
        if sheet.share < LEAST_SHARE and not partial:
            left_out.append(f"{file}: {_full(sheet, key)}; --partial takes it nevertheless")
            continue
        if twin := next((s for s in sheets.values() if _answers(s) == _answers(sheet)), None):
            left_out.append(f"{file}: the same ratings as {twin.file}")
            continue
        name = sheet.rater.casefold()
        if before := sheets.get(name):
            sheet, older = (sheet, before) if sheet.exported >= before.exported else (before, sheet)
            left_out.append(
                f"{older.file}: an earlier export of {older.rater} than {sheet.file}; if these are two people, "
                "each needs a name"
            )
        sheets[name] = sheet
    for sheet in sheets.values():
        if sheet.share < 1:
            notes.append(f"{sheet.file}: {_full(sheet, key)}")
    return Checked(tuple(sheets[name] for name in sorted(sheets)), tuple(left_out), tuple(notes))


def read(file: Path, key: Key) -> Sheet:
    """Read one file.

    Raises:
        UsageError: the file is not a file of ratings, or is of another review, edited, or empty.
    """
    body = strict_json.read(file)
    if not isinstance(body, dict) or body.get("schema") != SCHEMA:
        raise UsageError(f"{file}: not what the page of a review exports ({SCHEMA!r})")
    if body.get("review") != key.review:
        raise UsageError(f"{file}: ratings of another review ({body.get('review')!s:.16}, not {key.review})")
    if body.get("page") != key.page:
        raise UsageError(f"{file}: ratings of another page of this review ({body.get('page')!s:.16})")
    rater, ratings = body.get("rater"), body.get("ratings")
    signed = [body["review"], body["page"], rater, ratings]
    if body.get("checksum") != checksum(signed):
        raise UsageError(f"{file}: edited after its export (its checksum does not fit)")
    if not isinstance(rater, str) or not any(c.isprintable() and not c.isspace() for c in rater):
        raise UsageError(f"{file}: without the reviewer's name")
    if not isinstance(ratings, list) or not ratings:
        raise UsageError(f"{file}: empty, nothing is rated in it")
    rater = wording.clean(rater, most=60).strip()
    found: dict[str, Rated | None] = {}
    for i, rating in enumerate(ratings):
        where = f"{file}: rating {i + 1}"
        image = rating.get("id") if isinstance(rating, dict) else None
        if (
            not isinstance(image, str) or image not in key.by_id
        ):  # a number is no id, even with the same digits
            raise UsageError(f"{where}: of an image that is not in this review")
        if image in found:
            raise UsageError(f"{where}: the second of one image")
        answers = _rating(rating, key.asked, where)
        found[image] = None if answers is None else Rated(rater, key.by_id[image], answers)
    rated = [found[s.id] for s in key.showings if s.id in found]
    full = tuple(r for r in rated if r is not None)
    if all(r.shown.again for r in full):
        raise UsageError(f"{file}: empty, no image has all its answers")
    return Sheet(
        rater,
        file,
        _time(body.get("exported"), file),
        full,
        len(rated) - len(full),
        len(full) / len(key.showings),
    )


def checksum(signed: object) -> str:
    """Return the CRC-32 of the compact JSON, as computed by the page. It detects accidental edits, not forgery."""
    text = json.dumps(signed, separators=(",", ":"), ensure_ascii=False)
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"


def _rating(rating: Mapping[str, Any], asked: str, where: str) -> Answers | None:
    """Return the answers; None if one is missing."""
    names = [s.name for s in scales(asked)]
    given = {name: rating.get(name) for name in names}
    for name, value in given.items():
        if value is not None and (type(value) is not int or not 1 <= value <= 5):
            raise UsageError(f"{where}: {name} is {value!s:.20}, expected 1 to 5")
    tags, known = rating.get("artefacts"), {t.name for t in TAGS} | {NO_TAG}
    if not isinstance(tags, list) or not all(isinstance(t, str) and t in known for t in tags):
        raise UsageError(f"{where}: artefacts are {tags!s:.40}, expected some of {', '.join(sorted(known))}")
    if NO_TAG in tags and len(tags) > 1:
        raise UsageError(f"{where}: {NO_TAG!r} beside other artefacts")
    train, comment, seconds = rating.get("train"), rating.get("comment", ""), rating.get("seconds", 0)
    if train is not None and train not in TRAIN:
        raise UsageError(f"{where}: train is {train!s:.20}, expected {', '.join(TRAIN)}")
    if not isinstance(comment, str) or type(seconds) is not int or not 0 <= seconds <= MOST_SECONDS:
        raise UsageError(f"{where}: a comment that is no text, or a time that is none")
    full = {name: value for name, value in given.items() if value is not None}
    if len(full) < len(names) or not tags or train is None:
        return None
    flaws = tuple(sorted(t for t in tags if t != NO_TAG))
    return Answers(full, flaws, train, wording.clean(comment, lines=True, most=1000).strip(), seconds)


def _time(text: object, file: Path) -> datetime:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        raise UsageError(f"{file}: exported at {text!s:.30}, which is no time") from None
    if time.tzinfo is None:
        raise UsageError(f"{file}: exported at {time}, of no time zone")
    return time


def _full(sheet: Sheet, key: Key) -> str:
    begun = f", {sheet.begun} more are begun" if sheet.begun else ""
    return f"{sheet.rater} rated {len(sheet.rated)} of {len(key.showings)} images ({sheet.share:.0%}){begun}"


def _answers(sheet: Sheet) -> dict[str, Answers]:
    return {r.shown.id: r.answers for r in sheet.rated}
