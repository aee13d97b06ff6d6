"""Texts of a review, the same on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compare.wording import counted, together
from harness.review.agreement import Alpha, Consistency
from harness.review.levels import Level
from harness.review.questions import SCALES
from harness.review.summary import Summary

TITLES = {scale.name: scale.title for scale in SCALES}


def level(given: Level) -> str:
    """Return a level as ``"3.42 [3.10, 3.74]"``."""
    if given.low is None or given.high is None:
        return f"{given.mean:.2f}"
    mean, low, high = (round(v, 2) + 0.0 for v in (given.mean, given.low, given.high))  # no negative zero
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def unit(given: Level) -> str:
    """Return the unit that the interval is over."""
    if not given.unit:
        return f"{counted(given.images, 'image')}: no interval"
    n = given.images if given.unit == "images" else given.raters
    return f"over {counted(n, given.unit.removesuffix('s'))}"


def alpha(given: Alpha | None) -> str:
    """Return α as ``"0.61 [0.48, 0.74]"``."""
    if given is None:
        return "not defined"
    mean, *ends = together([v for v in (given.alpha, given.low, given.high) if v is not None], scale=1.0)
    return f"{mean} [{ends[0]}, {ends[1]}]" if ends else mean


def consistency(given: Consistency | None) -> str:
    """Return ``"70 % the same, 100 % within one point, mean difference 0.30 (10 pairs)"``."""
    if given is None:
        return "nothing was rated twice"
    return (
        f"{given.exact:.0%} the same, {given.within_one:.0%} within one point, mean difference "
        f"{given.difference:.2f} ({counted(given.pairs, 'pair')})"
    )


def caveats(summary: Summary) -> Sequence[str]:
    """Return the limitations that a reader of the figures must know."""
    raters = len(summary.reviewers)
    found = []
    if raters == 1:
        found.append("One rater: the figures are this person's, and nobody can say whether others agree.")
    elif raters == 2:
        found.append("Two raters: intervals are over images, and about these two people only.")
    elif raters < 6:
        found.append(
            f"{raters} raters: an interval over so few people is wide; where it is over images, it is about these "
            "people."
        )
    if not any(s.control for s in summary.systems):
        found.append("No real images were mixed in: there is nothing to hold the scores against.")
    return found


def lines(summary: Summary) -> list[str]:
    """Return the lines of the review for a terminal."""
    told = [
        f"{counted(len(summary.reviewers), 'rater')}, {counted(summary.images, 'image')}",
        *caveats(summary),
    ]
    for system in summary.systems:
        scores = ", ".join(f"{TITLES[s].lower()} {level(v)}" for s, v in system.scores.items())
        told.append(f"{system.name}: {scores}; would train on {system.train['yes']:.0%}")
    told += [
        f"agreement on {TITLES[scale].lower()}: α {alpha(summary.agreement[scale])}; "
        f"with themselves: {consistency(summary.consistency[scale])}"
        for scale in summary.scales
    ]
    return told
