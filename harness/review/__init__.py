"""Blinded ratings of a run's images: makes the page, reads reviewers' files, computes means with intervals.

This module is the questions about every image. A change here makes ratings incomparable with earlier ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from harness.formats.strict_json import canonical


@dataclass(frozen=True)
class Scale:
    """A question with five worded answers, worst first, that count as 1 to 5."""

    name: str
    title: str
    question: str
    """``{asked}`` is replaced by the class or the sentence that the image should show."""
    words: tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Tag:
    """A flaw that an image may have."""

    name: str
    key: str
    """The key that sets it on the page."""
    title: str
    meaning: str


CLASS_MATCH = "class_match"

SCALES = (
    Scale(
        "realism",
        "Realism",
        "Could this be a photograph of real ground?",
        (
            "plainly artificial",
            "more artificial than real",
            "could be either",
            "more real than artificial",
            "entirely real",
        ),
    ),
    Scale(
        CLASS_MATCH,
        "Class match",
        "Does it show {asked}?",
        ("not at all", "a little of it", "about half of it", "most of it", "just that"),
    ),
    Scale(
        "scale_texture",
        "Scale and texture",
        "Are sizes and the texture of the ground right for an aerial image?",
        ("plainly wrong", "mostly wrong", "partly wrong", "minor slips", "entirely right"),
    ),
    Scale(
        "view_from_above",
        "View from above",
        "Is it seen straight from above?",
        (
            "from the ground",
            "obliquely, with a horizon",
            "from above at a slant",
            "nearly straight",
            "straight",
        ),
    ),
)

TAGS = (
    Tag("wrapped", "w", "wrapped", "what leaves one side comes in at the other"),
    Tag("repeating", "r", "repeating", "the same patch again and again"),
    Tag("blurry", "b", "blurry", "no sharp edges anywhere"),
    Tag("deformed", "d", "deformed", "roads, roofs or banks that bend as they never do"),
    Tag("speckled", "s", "speckled", "noise or a grid over the ground"),
    Tag("colours", "c", "wrong colours", "colours that ground does not have"),
    Tag("text", "t", "text", "letters, marks or a logo"),
    Tag("border", "f", "frame", "a border, or several images in one"),
)
NO_TAG = "none"
"""Tag of an image without flaws, to distinguish it from a missing answer."""

TRAIN = ("yes", "no", "unsure")
"""Answers to "Would you train on it?"."""


def scales(asked: str) -> tuple[Scale, ...]:
    """Return the scales of a review whose images were requested by ``asked``; if empty, without ``CLASS_MATCH``."""
    return tuple(s for s in SCALES if asked or s.name != CLASS_MATCH)


def digest() -> str:
    """Return the digest of all questions and their wording; a condition of every score that is based on ratings."""
    asked = [[s.name, s.question, s.words] for s in SCALES]
    return sha256(canonical([asked, [[t.name, t.meaning] for t in TAGS], TRAIN]).encode()).hexdigest()[:12]
