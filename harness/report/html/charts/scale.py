"""Axes: where a value lies between the ends, and which round numbers are named on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

TICKS = 5
"""About so many numbers on an axis."""

LEAST, GREATEST = 1e-300, 1e300
"""Distances and values beyond these cannot be divided into steps: an axis takes them for equal, or for its end."""


@dataclass(frozen=True)
class Scale:
    """An axis from ``low`` to ``high``, which are finite and different; both positive where ``log``."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """Share of the way: 0 at the low end, 1 at the high one; what lies beyond is at the end."""
        if self.log:
            low, high, here = math.log(self.low), math.log(self.high), math.log(max(value, self.low))
        else:
            low, high, here = self.low, self.high, value
        return min(max((here - low) / (high - low), 0.0), 1.0)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers within the axis, and how they are written."""
        values = _decades(self.low, self.high) if self.log else []
        if len(values) < 2:
            step = round_step((self.high - self.low) / TICKS)
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            values = [step * i for i in range(first, last + 1)]
        return [(v, _short(v)) for v in values]


def scale(
    values: Iterable[float], *, zero: bool = False, log_from: float = math.inf, pad: float = 0.06
) -> Scale:
    """An axis that holds all values with some room.

    Args:
        values: those that are not finite do not count; none: the axis is from 0 to 1.
        zero: begin at 0 where no value is negative.
        log_from: logarithmic where all values are positive and span at least this factor.
        pad: room at either end, as a share of the whole.
    """
    found = [min(max(v, -GREATEST), GREATEST) for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(found), max(found)
    if low > 0 and high > LEAST and high >= log_from * low:
        return _logarithmic(max(low, LEAST), high, pad)
    if high - low < LEAST:
        half = abs(low) / 2 if abs(low) > LEAST else 0.5
        return Scale(low - half, high + half)
    room = (high - low) * pad
    return Scale(0.0 if zero and low >= 0 else low - room, high + room)


def _logarithmic(low: float, high: float, pad: float) -> Scale:
    """Quotients and powers of the ends are not made: those of 1e-300 and 1e300 are no numbers."""
    room = math.log(high) - math.log(low)
    ends = (math.log(low) - pad * room, math.log(high) + pad * room)
    first, last = (math.exp(min(max(e, math.log(LEAST)), math.log(GREATEST))) for e in ends)
    return Scale(first, last, log=True)


def round_step(at_least: float) -> float:
    """The smallest of 1, 2 or 5 times a power of ten that is not below ``at_least``, which is positive."""
    power = 10.0 ** math.floor(math.log10(at_least))
    return power * next(m for m in (1, 2, 5, 10) if m * power >= at_least * (1 - 1e-9))


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten within; the powers alone, or some of them, where these are many."""
    steps = (1, 2, 5) if high < 1e3 * low else (1,)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = 1 + (last - first) // (2 * TICKS)
    powers = (p for p in range(first, last + 1) if p % every == 0)
    return [m * 10.0**p for p in powers for m in steps if low <= m * 10.0**p <= high]


def _short(value: float) -> str:
    return f"{value + 0.0:.6g}"
