"""A finding in a few lines of plain text, for those who read it away from the report: a CI server, a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compare.comparison import Difference, Finding
from harness.report.evidence import confidence
from harness.report.numbers import evidence, figures, margin

DIFFERENCES = 20
"""At most so many fields of the protocol, and as many of the environment, are listed; the rest is counted."""


def told(finding: Finding) -> list[str]:
    """The verdict and why, on the first line; then the figures, what differs, and what may have caused it.

    The lines are as they come from names and reasons: whoever shows them cleans and escapes them.
    """
    shown = figures(finding)
    lines = [f"{finding.verdict}: {finding.reason}" if finding.reason else str(finding.verdict)]
    if more := evidence(finding):
        lines.append(more)
    if finding.estimate is not None:
        lines.append(f"baseline {shown.baseline}, candidate {shown.candidate}, change {shown.change}")
        bounded = shown.interval not in ("", "exact")
        interval = f"{confidence([finding])} interval {shown.interval}, " if bounded else ""
        lines += [f"about {finding.claim.text}"] if finding.claim is not None else []
        lines.append(f"{interval}margin {margin(shown) or 'none'}, {shown.repeats}")
    lines += finding.beside
    if not finding.executed:
        lines.append("not re-executed: all of it came from the cache")
    lines += _some("protocol", finding.differences)
    lines += _some("environment, a likely cause", finding.causes)
    return lines


def _some(what: str, differences: Sequence[Difference]) -> list[str]:
    rest = len(differences) - DIFFERENCES
    more = [f"{what}: {rest:,} more fields"] if rest > 0 else []
    return [f"{what}: {difference}" for difference in differences[:DIFFERENCES]] + more
