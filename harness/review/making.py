"""Makes a review from a run: images are chosen, blinded, encoded in the same way, and put on one page.

Differences of the files (size, format, metadata) would reveal which images are real. So every image is decoded,
reduced to one size and encoded again with the same parameters. The size is that of the smallest image, so that none is
enlarged.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.artifact import Json
from harness.errors import StageError, UsageError
from harness.formats import files
from harness.formats.opening import opened
from harness.formats.strict_json import canonical
from harness.review import NO_TAG, TAGS, TRAIN, digest, scales
from harness.review import key as keys
from harness.review.choosing import CONTROLS, Pool, asked_for, choose, pool
from harness.review.key import Key, Shown
from harness.review.rating_table import LEAST
from harness.store.artifacts import Store
from harness.store.record import Run

MOST = 512
"""Maximum side of an image, in pixels."""
LOSSLESS = 256
"""Images up to this side are encoded without loss, since at 64 × 64 every pixel matters; larger ones as WebP at 90."""


def encoded_picture(files: Sequence[Path]) -> tuple[int, int, list[str]]:
    """Return width, height, and the images as base64 of WebP, padded with blanks to equal length.

    Raises:
        UsageError: a file is missing or not an image.
    """
    from PIL import Image, ImageOps

    sizes = [_size(file) for file in dict.fromkeys(files)]
    width, height = (min(MOST, *sides) for sides in zip(*sizes, strict=True))
    lossless = max(width, height) <= LOSSLESS
    texts = []
    for file, picture in _opened(files):
        try:
            fitted = ImageOps.fit(picture.convert("RGB"), (width, height), Image.Resampling.LANCZOS)
        except (OSError, SyntaxError) as e:
            raise UsageError(f"{file}: not an image ({e})") from None
        held = io.BytesIO()
        Image.frombytes("RGB", fitted.size, fitted.tobytes()).save(
            held, format="WEBP", lossless=lossless, quality=100 if lossless else 90, method=4
        )
        texts.append(base64.b64encode(held.getvalue()).decode())
    longest = max(map(len, texts))
    return width, height, [text.ljust(longest) for text in texts]


def _size(file: Path) -> tuple[int, int]:
    ((_, picture),) = _opened([file])
    width, height = picture.size
    return width, height


def _opened(files: Sequence[Path]) -> Iterator[tuple[Path, Any]]:
    for file in files:
        if not file.exists():
            raise UsageError(f"{file}: missing; run the suite again, which makes it anew")
        try:
            with opened(file, file) as picture:
                yield file, picture.upright(picture.image)
        except StageError as e:
            raise UsageError(str(e)) from None


def content(
    review: str, showings: Sequence[Shown], asked: Sequence[str], pictures: tuple[int, int, Sequence[str]]
) -> dict[str, Any]:
    """Return the content of the page, JSON-safe; ``page`` is the digest of all other fields.

    Args:
        review: id of the review.
        showings: showings in page order; only their blinded names are included.
        asked: per showing what the image should show; empty if that is not asked.
        pictures: width, height and the encoded images, one per showing.
    """
    width, height, images = pictures
    body = {
        "review": review,
        "width": width,
        "height": height,
        "scales": [asdict(scale) for scale in scales(asked[0])],
        "tags": [asdict(tag) for tag in TAGS],
        "none": NO_TAG,
        "train": list(TRAIN),
        "images": [
            {"id": s.id, "asked": a, "data": d} for s, a, d in zip(showings, asked, images, strict=True)
        ],
    }
    return {**body, "page": sha256(canonical(body).encode()).hexdigest()[:16]}


def render(body: dict[str, Any]) -> str:
    """Render the page as HTML. The browser may use only the page's own style and script."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("harness", "report/templates/review")
    templates = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    style, script = (loader.get_source(templates, name)[0] for name in ("review.css", "review.js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{_hash(style)}'; "
        f"script-src 'sha256-{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    return templates.get_template("page.html.jinja").render(
        body=body, policy=policy, style=Markup(style), script=Markup(script)
    )


def _hash(text: str) -> str:
    return base64.b64encode(sha256(text.encode()).digest()).decode()


@dataclass(frozen=True)
class Wish:
    """Options of a review."""

    stages: tuple[str, ...] = ()
    """Stages whose images are rated; empty: all stages that generate images."""
    controls: str | None = None
    """The stage with the real images; None: chosen by ``pool``."""
    count: int = 40
    """Number of different images to rate."""
    seed: int = 0
    """Seed of selection and order."""

    def settings(self) -> dict[str, Json]:
        return {
            "images": list(self.stages),
            "controls": self.controls,
            "count": self.count,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Review:
    """A page, its key, and the pool of its images."""

    key: Key
    html: str
    pool: Pool
    side: tuple[int, int]
    """Width and height of the images on the page, in pixels."""


def make(run: Run, store: Store, wish: Wish, before: Key | None) -> Review:
    """Make a review. With the secret of ``before``, equal wishes make the same page again, byte for byte.

    Raises:
        UsageError: ``before`` is a review with other options, or its images are gone, so that its ratings would become
            unreadable; there are too few images; an image cannot be read.
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
    encoded = encoded_picture([s.picture.row.path for s in showings])
    shown = keys.shown(showings, secret)
    review = keys.name(secret, f"review:{run.id}")
    body = content(review, shown, asked, encoded)
    if before is not None and body["page"] != before.page:
        raise UsageError(
            f"{run.id}: the store {store.root} has not the images that its review was made from; --replace begins "
            "another, and what was rated on the old page is then lost"
        )
    key = Key(review, run.id, secret, wish.settings(), digest(), there.asked, body["page"], shown)
    return Review(key, render(body), there, encoded[:2])


def write(review: Review, folder: Path, to: Path) -> None:
    """Write the key into the run's folder, then the page.

    Raises:
        UsageError: one of them cannot be written.
    """
    try:
        keys.write(folder, review.key)
        to.parent.mkdir(parents=True, exist_ok=True)
        files.write(to, review.html)
    except OSError as e:
        raise UsageError(f"{e.filename or to}: the review cannot be written ({e.strerror})") from None


def described(review: Review) -> Sequence[str]:
    """Return what the maker of the review should know, one line each."""
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
