"""Mean ratings of a system and their intervals.

A strict rater is strict with all systems. So each rating is centred on its rater's mean, and the mean of these means is
added back. Ratings of one image are not independent, nor are those of one rater. So there are two standard errors: over
images (these raters, other images) and, with at least three raters, over raters (these images, other raters). The wider
interval is reported with its unit. Neither interval covers both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.compare import stats
from harness.review.rating_table import Rated

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
