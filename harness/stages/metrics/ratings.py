"""People's ratings of the images as scores that can be gated, and the raters' agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.artifact import Json, Ratings
from harness.compute.influence import jackknife, rows
from harness.errors import StageError, nearest
from harness.review import CLASS_MATCH, SCALES, rating_table
from harness.review import agreement as agreeing
from harness.review.rating_table import Rated
from harness.stage import Higher, HigherShare, Items, Scores, stage

LEAST_RATERS = 3
"""Fewer are too few for a sample of raters."""
_SCALES = tuple(s.name for s in SCALES if s.name != CLASS_MATCH)


@dataclass(frozen=True, kw_only=True)
class RatingScores(Scores):
    """Means of ratings from 1, the worst, to 5, each centred on its rater's mean over everything that the rater saw;
    the two shares are in [0, 1].
    """

    realism: Higher
    scale_texture: Higher
    view_from_above: Higher
    below_real: float
    """Realism of the real images minus that of the generated ones; 0 if there were no real ones."""
    flawless: HigherShare
    """Share of the ratings that name no flaw."""
    trainable: HigherShare
    """Share of the ratings that would train on the image."""


@stage(version=1)
def scores(
    ratings: Ratings, *, system: str | None = None, over: Literal["raters", "images"] = "raters"
) -> RatingScores:
    """People's ratings of generated images.

    Two reviews are compared if the same questions were asked. Rows have the raters' and the images' names, so they are
    paired if the same people rate the same images of another checkpoint.

    Args:
        ratings: from ``reviews.read``.
        system: a system in the ratings, by its name in the report; null: all generated images.
        over: what an interval, and so a verdict, generalises over. ``raters``: other people with these images,
            which takes three raters; ``images``: other images with these people.

    Raises:
        StageError: no such system, no ratings of it, or fewer than three raters for an interval over raters.
    """
    found = rating_table.read(ratings.path / rating_table.FILE)
    rated = _of(found, system, over)
    columns = {name: _column(found, rated, name) for name in _SCALES}
    columns["flawless"] = [float(not r.answers.artefacts) for r in rated]
    columns["trainable"] = [float(r.answers.train == "yes") for r in rated]
    real = [r for r in found.first if r.shown.control]
    realism = _mean(columns["realism"])
    return RatingScores(
        realism=realism,
        scale_texture=_mean(columns["scale_texture"]),
        view_from_above=_mean(columns["view_from_above"]),
        below_real=_mean(_column(found, real, "realism")) - realism if real else 0.0,
        flawless=_mean(columns["flawless"]),
        trainable=_mean(columns["trainable"]),
        items=_items(rated, columns, over),
        steps={"flawless": 1 / len(rated), "trainable": 1 / len(rated)},
        conditions={"questions": found.questions},
        details={
            "raters": list(found.raters),
            "images": len({r.image for r in rated}),
            "real": len({r.image for r in real}),
        },
    )


@dataclass(frozen=True, kw_only=True)
class MatchScores(Scores):
    class_match: Higher
    """From 1 to 5, centred as in ``ratings.scores``."""


@stage(version=1)
def match(
    ratings: Ratings, *, system: str | None = None, over: Literal["raters", "images"] = "raters"
) -> MatchScores:
    """How well generated images show what was asked for; parameters as in ``ratings.scores``.

    Args:
        ratings: from ``reviews.read``.
        system: a system in the ratings; null: all generated images.
        over: what an interval is over.

    Raises:
        StageError: as ``ratings.scores``; or the question was not asked, because not every image had a class or a
            sentence.
    """
    found = rating_table.read(ratings.path / rating_table.FILE)
    if not found.asked:
        raise StageError("nobody was asked whether images match: not all of them had a class or a sentence")
    rated = _of(found, system, over)
    column = _column(found, rated, CLASS_MATCH)
    return MatchScores(
        class_match=_mean(column),
        items=_items(rated, {"class_match": column}, over),
        conditions={"questions": found.questions, "asked": found.asked},
    )


@dataclass(frozen=True, kw_only=True)
class AgreementScores(Scores):
    alpha: Higher
    """Krippendorff's α, ordinal: the mean over the scales. 1 is full agreement, 0 agreement by chance."""


@stage(version=1)
def agreement(ratings: Ratings) -> AgreementScores:
    """Agreement of the raters, on all images that two or more of them rated; the scales are in the details.

    A scale on which all answers are the same has no α, and is left out of the mean.

    The rows are the jackknife's, over images: what α loses without the image. If without some image a scale is left
    with a single answer, it has no α, and there are no rows.

    Args:
        ratings: from ``reviews.read``.

    Raises:
        StageError: one rater only, or no scale that has an α.
    """
    found = rating_table.read(ratings.path / rating_table.FILE)
    units = {scale: rating_table.units(found.first, scale) for scale in found.scales}
    of_scale = {scale: agreeing.alpha(list(of.values())) for scale, of in units.items()}
    alphas = [a.alpha for a in of_scale.values() if a is not None]
    if not alphas:
        raise StageError(
            f"no agreement to measure among {len(found.raters)} raters: it takes two, and different answers"
        )
    told: dict[str, Json] = {
        scale: None if a is None else {"alpha": a.alpha, "low": a.low, "high": a.high, "images": a.units}
        for scale, a in of_scale.items()
    }
    return AgreementScores(
        alpha=_mean(alphas),
        items=_without_each(units, _mean(alphas), len(alphas)),
        conditions={"questions": found.questions},
        details={"scales": told, "raters": list(found.raters)},
    )


def _without_each(
    units: Mapping[str, Mapping[str, Sequence[float]]], alpha: float, scales: int
) -> Items | None:
    images = list(dict.fromkeys(image for of in units.values() for image, r in of.items() if len(r) > 1))
    if len(images) < agreeing.LEAST:
        return None
    without = []
    for image in images:
        left = [agreeing.alpha_alone([r for i, r in of.items() if i != image]) for of in units.values()]
        told = [a for a in left if a is not None]
        if len(told) < scales:
            return None
        without.append(_mean(told))
    return Items(images, {"alpha": rows(alpha, jackknife(without))})


def _of(found: rating_table.Ratings, system: str | None, over: str) -> list[Rated]:
    """First ratings of generated images, without repeated showings."""
    generated = [r for r in found.first if not r.shown.control]
    names = list(dict.fromkeys(r.shown.system for r in generated))
    if system is not None and system not in names:
        raise StageError(
            f"no system {system!r} in the ratings, which have {', '.join(names)}{nearest(system, names)}"
        )
    rated = [r for r in generated if system in (None, r.shown.system)]
    if not rated:
        raise StageError("no generated image is rated")
    raters = len({r.rater for r in rated})
    if over == "raters" and raters < LEAST_RATERS:
        raise StageError(
            f"{raters} raters are too few for an interval over raters, which takes {LEAST_RATERS}; "
            "say over: images"
        )
    return rated


def _column(found: rating_table.Ratings, rated: Sequence[Rated], scale: str) -> list[float]:
    centred = rating_table.centred(found.first, rating_table.answer(scale))
    return [centred[r.rater, r.image] for r in rated]


def _items(rated: Sequence[Rated], columns: Mapping[str, Sequence[float]], over: str) -> Items:
    clusters = [r.rater if over == "raters" else r.image for r in rated]
    return Items([f"{r.rater}: {r.image}" for r in rated], columns, clusters)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
