"""What a gate can see, and margins that cannot fail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.compare import stats

MANY = 10.0
"""A margin of more than so many times the baseline's value, or what the gate could see, deserves a word."""


def sees(spread: stats.Estimate | None, gates: int, alpha: float, repeats: int | None = None) -> float | None:
    """The smallest change that a gate shows with 80 % power, at Holm's first level; None where nothing repeats.

    Args:
        spread: of the baseline by itself.
        gates: how many claims are made together.
        alpha: the level of all of them.
        repeats: how many there will be; by default as many as the baseline has.
    """
    n = repeats if repeats is not None else 0 if spread is None else spread.n
    if spread is None or n < 2 or gates < 1:
        return None
    return stats.detectable(math.sqrt(2) * spread.sd, n, alpha / gates)


def too_wide(margin: float, value: float | None, direction: Mapping[str, Any], visible: float | None) -> str:
    """What is wrong with a margin, in one sentence; empty where nothing is.

    Args:
        margin: absolute.
        value: of the baseline; None where there is none.
        direction: of the field.
        visible: what the gate can see.
    """
    low, high = direction.get("low"), direction.get("high")
    if low is not None and high is not None and margin > high - low:
        return f"margin {margin:.3g} is more than the whole range ({low:g} to {high:g}): the gate cannot fail"
    if value is None:
        return ""
    worst = low if direction.get("better") == "higher" else high
    if worst is not None and margin > abs(value - worst):
        return f"margin {margin:.3g}, and from {value:.3g} it cannot get worse by that: the gate cannot fail"
    if value and margin > MANY * abs(value) and (visible is None or margin > visible):
        return f"margin {margin:.3g} is {margin / abs(value):.3g} times the baseline's value, {value:.3g}"
    if visible and margin > MANY * visible:
        return f"margin {margin:.3g} is {margin / visible:.3g} times the smallest change that it can see, {visible:.3g}"
    return ""
