"""A forest plot of characters, for hosts that show no pictures: the change of each gate in units of its margin."""

from __future__ import annotations

from collections.abc import Iterable

from harness.compare import Finding
from harness.compare.wording import clean, label

HALF = 20
"""Characters on either side of zero."""
REACH = 2.0
"""How many margins they stand for; what lies beyond ends in an arrow."""
NAME = 40
"""Maximum number of characters of a gate's name."""


def forest(findings: Iterable[Finding]) -> list[str]:
    """Draw a line for each finding that has an interval and a margin, below a line that explains the axis.

    ``●`` is the change, ``━`` its interval, ``┼`` no change and ``│`` the margin, worse to the right. Empty if no
    finding can be drawn.
    """
    drawn = [(_name(f), _line(f)) for f in findings]
    width = max((len(name) for name, line in drawn if line), default=0)
    lines = [f"{name:<{width}}  {line}" for name, line in drawn if line]
    side = HALF // 2
    axis = f"{'better':<{side - 1}}-1{'':<{side - 1}}0{'':<{side - 2}}+1{'worse':>{side}}"
    return [f"{'in margins':<{width}}  {axis}", *lines] if lines else []


def _name(finding: Finding) -> str:
    name = clean(label(finding))
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def _line(finding: Finding) -> str:
    estimate, margin = finding.estimate, finding.margin
    if estimate is None or not margin or estimate.low is None or estimate.high is None:
        return ""
    sign = 1 if finding.better == "lower" else -1
    low, high = sorted(sign * end / margin for end in (estimate.low, estimate.high))
    cells = ["·"] * (2 * HALF + 1)
    for at, mark in ((-1.0, "│"), (1.0, "│"), (0.0, "┼")):
        cells[_place(at)] = mark
    for i in range(_place(low), _place(high) + 1):
        cells[i] = "━"
    cells[_place(sign * estimate.change / margin)] = "●"
    if low < -REACH:
        cells[0] = "◀"
    if high > REACH:
        cells[-1] = "▶"
    return "".join(cells)


def _place(value: float) -> int:
    return HALF + round(max(-REACH, min(REACH, value)) / REACH * HALF)
