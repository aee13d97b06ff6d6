"""The page that a reviewer opens: one file, which loads nothing and sends nothing."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from harness.canonical import canonical
from harness.review.key import Shown
from harness.review.questions import NO_TAG, TAGS, TRAIN, scales


def content(
    review: str, showings: Sequence[Shown], asked: Sequence[str], pictures: tuple[int, int, Sequence[str]]
) -> dict[str, Any]:
    """What the page shows, JSON-safe; ``page`` is the digest of all the rest.

    Args:
        review: the review's id.
        showings: in the order of the page; of each only its blinded name goes in.
        asked: per showing what the image should show, empty where that is not asked.
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
    """The page as HTML. Its own style and script are all that the browser is allowed to run."""
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
