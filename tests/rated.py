"""Reviews of toy runs, and files as reviewers export them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from painted import SWEEP, written

from harness.review import SCALES, making, scales
from harness.review import key as keys
from harness.review.checking import SCHEMA, check, checksum
from harness.review.key import Key, Shown
from harness.review.making import Review, Wish
from harness.review.rating_table import Answers, Rated, Ratings
from harness.store.artifacts import Store
from harness.store.record import Run

Answer = Callable[[Shown, str], int]
"""What somebody says of an image on a scale."""


class Reviewed(NamedTuple):
    run: Run
    store: Store
    folder: Path
    review: Review

    @property
    def key(self) -> Key:
        return self.review.key


def reviewed(folder: Path, text: str = SWEEP, wish: Wish | None = None) -> Reviewed:
    """A run of the toy painter with the page and the key of its review in its folder."""
    run, store, out = written(folder, text)
    review = making.make(run, store, wish or Wish(count=20), None)
    making.write(review, out, out / "review.html")
    return Reviewed(run, store, out, review)


def exported(
    key: Key,
    rater: str,
    answer: Answer,
    *,
    part: float = 1.0,
    at: str = "2026-03-04T12:00:00Z",
    **changes: Any,
) -> dict[str, Any]:
    """What the page exports after somebody rated ``part`` of it."""
    ratings = [
        {
            "id": shown.id,
            **{scale.name: answer(shown, scale.name) for scale in scales(key.asked)},
            "artefacts": ["none"],
            "train": "yes",
            "comment": "",
            "at": at,
            "seconds": 9,
            **changes,
        }
        for shown in key.showings[: round(part * len(key.showings))]
    ]
    return signed(
        {
            "schema": SCHEMA,
            "review": key.review,
            "page": key.page,
            "rater": rater,
            "exported": at,
            "ratings": ratings,
        }
    )


def signed(body: dict[str, Any]) -> dict[str, Any]:
    """With the checksum that the page would give it."""
    fields = [body[name] for name in ("review", "page", "rater", "ratings")]
    return {**body, "checksum": checksum(fields)}


def stored(folder: Path, body: dict[str, Any], name: str = "") -> Path:
    """The file that comes back from a reviewer."""
    file = folder / (name or f"ratings-{body['rater'].lower()}.json")
    file.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    return file


def ratings_of(key: Key, folder: Path, answers: dict[str, Answer]) -> Ratings:
    """What ``collect`` makes of one full file per person."""
    files = [stored(folder, exported(key, name, answer)) for name, answer in answers.items()]
    checked = check(files, key)
    assert len(checked.sheets) == len(answers), checked.left_out
    rated = tuple(r for sheet in checked.sheets for r in sheet.rated)
    return Ratings(key.review, key.run, key.questions, key.asked, rated)


def invented(answers: dict[str, dict[str, Sequence[int]]], **changes: Any) -> Ratings:
    """Ratings without any run: rater → system → one answer per image, the same on every scale.

    ``"real"`` is the system of real images.
    """
    given: dict[str, Any] = {"artefacts": (), "train": "yes", "comment": "", "seconds": 5, **changes}
    rated = [
        Rated(
            rater,
            Shown(
                f"{system}{i}",
                f"{system}{i}",
                False,
                system,
                system,
                {},
                system == "real",
                {},
                f"{i}.png",
                "Lake",
            ),
            Answers({scale.name: value for scale in SCALES}, **given),
        )
        for rater, systems in answers.items()
        for system, values in systems.items()
        for i, value in enumerate(values)
    ]
    return Ratings("r" * 16, "20260304-101500-ab12", "q" * 12, "class", tuple(rated))


def key_of(folder: Path) -> Key:
    found = keys.read(folder)
    assert found is not None
    return found
