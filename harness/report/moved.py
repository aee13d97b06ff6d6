"""The parts of a metric's change in words, the same on a terminal and on a page."""

from __future__ import annotations

import json
from collections.abc import Sequence

from harness.compare.explain import Explanation, Part
from harness.compare.values import Place
from harness.report.numbers import clean, counted, point, together


def name(place: Place) -> str:
    """An item, cluster, repeat or point: ``"00017.png (seed=1)"``, ``"seed=1"``."""
    where = point({**json.loads(place.point or "{}"), **dict(place.seeds or ())})
    what = place.item if place.item is not None else place.cluster
    if what is None:
        return clean(where)
    return clean(f"{what} ({where})" if where else what, most=120)


def share(explanation: Explanation, part: Part, parts: Sequence[Part]) -> str:
    """``"12 %"`` of the whole change; empty for what went the other way, and where parts largely cancel out."""
    found = explanation.share(part, parts)
    if found is None or found <= 0:
        return ""
    return f"{100 * found:.0f} %" if found >= 0.005 else "< 1 %"


def sum_up(explanation: Explanation, parts: Sequence[Part], shown: Sequence[Part], what: str) -> str:
    """How much of the change is shown, and what is not.

    Args:
        explanation: of the change.
        parts: all of it.
        shown: those that a reader sees.
        what: one part is called: ``"item"``.
    """
    sign = 1 if explanation.better == "lower" else -1
    worse = [p.contribution for p in parts if sign * p.contribution > 0]
    better = [p.contribution for p in parts if sign * p.contribution < 0]
    if not worse and not better:
        return f"None of {counted(len(parts), what)} changed."
    sums = (sum(p.contribution for p in shown), explanation.change, sum(worse), sum(better))
    mine, whole, down, up = (f"+{t}" if v > 0 else t for v, t in zip(sums, together(sums), strict=True))
    subject = "These add" if len(shown) < len(parts) else "They add"
    count = f" (shown: {len(shown):,} of {counted(len(parts), what)})" if len(shown) < len(parts) else ""
    rest = f" of the change of {whole}" if len(shown) < len(parts) else ""
    told = [f"{subject} up to {mine}{rest}{count}"]
    told += [f"{counted(len(worse), what)} made it worse, by {down} together"] if worse else []
    told += [f"{counted(len(better), what)} better, by {up}"] if better else []
    unmoved = len(parts) - len(worse) - len(better)
    told += [f"{counted(unmoved, what)} left it as it was"] if unmoved else []
    return "; ".join(told) + "."
