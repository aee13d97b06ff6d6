"""A review from a run: chosen, blinded, encoded, and put on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import atomic
from harness.artifact import Json
from harness.errors import UsageError
from harness.record import Run
from harness.review import key as keys
from harness.review import page, pictures, questions
from harness.review.choosing import CONTROLS, choose
from harness.review.key import Key
from harness.review.levels import LEAST
from harness.review.pool import Pool, asked_for, pool
from harness.store import Store


@dataclass(frozen=True)
class Wish:
    """What to make a review of."""

    stages: tuple[str, ...] = ()
    """Whose images; empty: of everything that generates."""
    controls: str | None = None
    """The stage with the real images; None: chosen as ``pool`` says."""
    count: int = 40
    """Different images to rate."""
    seed: int = 0
    """Of choice and order."""

    def settings(self) -> dict[str, Json]:
        return {
            "images": list(self.stages),
            "controls": self.controls,
            "count": self.count,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Review:
    """A page, its key, and what it was chosen from."""

    key: Key
    html: str
    pool: Pool
    side: tuple[int, int]
    """Width and height of the images on the page, in pixels."""


def make(run: Run, store: Store, wish: Wish, before: Key | None) -> Review:
    """The review; equal wishes make the same page again, byte for byte, with the secret of ``before``.

    Raises:
        UsageError: ``before`` is another review, or of images that are gone, and nobody could read its ratings any
            more; or there is nothing to choose from, too little of it, or an image that cannot be read.
    """
    if before is not None and before.settings != wish.settings():
        told = ", ".join(
            f"{name} {value}" for name, value in before.settings.items() if value not in ([], None)
        )
        raise UsageError(
            f"{run.id} has a review ({told}); the same options write its page again, --replace begins another, "
            "and what was rated on the old page is then lost"
        )
    secret = before.secret if before else keys.new_secret()
    there = pool(run, store, wish.stages, wish.controls)
    showings = choose(there, wish.count, wish.seed)
    asked = [asked_for(s.picture, there.asked) for s in showings]
    encoded = pictures.encoded([s.picture.row.path for s in showings])
    shown = keys.shown(showings, secret)
    review = keys.name(secret, f"review:{run.id}")
    body = page.content(review, shown, asked, encoded)
    if before is not None and body["page"] != before.page:
        raise UsageError(
            f"{run.id}: the store {store.root} has not the images that its review was made from; --replace begins "
            "another, and what was rated on the old page is then lost"
        )
    key = Key(review, run.id, secret, wish.settings(), questions.digest(), there.asked, body["page"], shown)
    return Review(key, page.render(body), there, encoded[:2])


def write(review: Review, folder: Path, to: Path) -> None:
    """The key into the run's folder, then the page.

    Raises:
        UsageError: one of them cannot be written.
    """
    try:
        keys.write(folder, review.key)
        to.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(to, review.html)
    except OSError as e:
        raise UsageError(f"{e.filename or to}: the review cannot be written ({e.strerror})") from None


def described(review: Review) -> Sequence[str]:
    """What a person who made it should know, a line each."""
    key, there = review.key, review.pool
    shown = [s for s in key.showings if not s.again]
    real = sum(s.control for s in shown)
    sizes = sorted({sum(s.system == name for s in shown) for name in there.systems})
    each = "–".join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))
    lines = [
        f"{len(there.systems)} system{'s' * (len(there.systems) > 1)} with {each} images each, {real} real images, "
        f"{len(key.showings) - len(shown)} shown twice; {review.side[0]} × {review.side[1]} pixels"
    ]
    if not real:
        lines.append(
            "no real images in the run: nothing to hold the scores against (--controls STAGE names some)"
        )
    if sizes[0] < LEAST:
        enough = math.ceil(LEAST * len(there.systems) / (1 - CONTROLS * bool(real)))
        lines.append(
            f"fewer than {LEAST} images of a system: its scores have no interval (--count {enough} is enough)"
        )
    if not there.asked:
        lines.append("not every image has a class or a sentence: nobody is asked whether they match")
    return lines
