"""What one side says by itself: the mean of a field, and how far its repeats let it be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.compare.sample import Side, alone_over
from harness.record import Score


@dataclass(frozen=True)
class Figure:
    """One field of one metric, as the mean over its points and repeats."""

    mean: float
    low: float | None
    """Lower bound of the 90 % interval of the mean; None where nothing, or too little, was repeated."""
    high: float | None
    repeats: int
    """Independent repeats behind the interval; without one, the values behind the mean."""
    unit: Literal["seeds", "items", "one"]

    @classmethod
    def of(cls, scores: Sequence[Score], field: str, side: Side) -> Figure | None:
        """The figure of scores of one metric; None where there are none, or a repeat of one failed."""
        if not scores or not all(s.complete and s.repeats for s in scores):
            return None
        swept = bool(side.run.metrics[scores[0].metric].seeds)
        found = alone_over(scores, field, side)
        if found is None:
            values = [r.values[field] for s in scores for r in s.repeats]
            mean = math.fsum(values) / len(values)
            return cls(mean, None, None, len(scores[0].repeats), "seeds" if swept else "one")
        spread, unit = found
        low, high = spread.interval()
        return cls(spread.mean, low, high, spread.n, unit)
