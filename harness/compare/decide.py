"""Turn evidence and a margin into a verdict, correct for the number of gates, and compute what a gate can see.

*d* is the change, oriented so that positive is worse. *m* is the margin. [lo, hi] is the interval of *d* at the
level of the look: 90 % if there is only one look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness.compare import Finding, Verdict, stats
from harness.compare.evidence import Evidence

MANY = 10.0
"""Warn about a margin of more than this many times the baseline's value, or what the gate can see."""


def sees(spread: stats.Estimate | None, gates: int, alpha: float, repeats: int | None = None) -> float | None:
    """The smallest change that a gate shows with 80 % power, at Holm's first level; None if nothing is repeated.

    Args:
        spread: estimate of the baseline by itself.
        gates: number of claims that are made together.
        alpha: level of all claims together.
        repeats: number of repeats; by default that of the baseline.
    """
    if spread is None:
        return None
    n = spread.n if repeats is None else repeats
    if n < 2 or gates < 1:
        return None
    return stats.detectable(math.sqrt(2) * spread.sd, n, alpha / gates)


def too_wide(margin: float, value: float | None, direction: Mapping[str, Any], visible: float | None) -> str:
    """What is wrong with a margin, in one sentence; empty if nothing is.

    Args:
        margin: absolute margin.
        value: value of the baseline; None if there is no baseline.
        direction: direction of the field.
        visible: the smallest change that the gate can see.
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


CLAIMS = (Verdict.IMPROVED, Verdict.UNCHANGED, Verdict.REGRESSED)
"""The verdicts that make a claim and can be wrong."""


METRIC_DIFFERS = (
    "the metric read the same bytes on both sides, so the difference is its own (its code, software or machine); "
    "harness rescore computes the baseline's anew"
)


@dataclass(frozen=True)
class Judgement:
    """A verdict on one field, before the correction for several gates."""

    verdict: Verdict
    reason: str
    p: float | None = None
    detectable: float | None = None
    more_repeats: int | None = None


@dataclass(frozen=True)
class _Worsening:
    """Evidence oriented so that more is worse."""

    evidence: Evidence
    sign: int
    alpha: float

    @property
    def d(self) -> float:
        return self.sign * self.evidence.change

    @property
    def spread(self) -> stats.Estimate:
        assert self.evidence.spread is not None
        return self.evidence.spread

    @property
    def bounds(self) -> tuple[float, float]:
        low, high = self.spread.interval(1.0 - 2.0 * self.alpha)
        return (low, high) if self.sign > 0 else (-high, -low)

    def p_not_worse(self) -> float:
        """One-sided p of H0 "d ≤ 0"."""
        return self.spread.p_at_most(0.0) if self.sign > 0 else self.spread.p_at_least(0.0)

    def p_worse_by(self, margin: float) -> float:
        """One-sided p of H0 "d ≥ margin"."""
        return self.spread.p_at_least(margin) if self.sign > 0 else self.spread.p_at_most(-margin)


def decide(
    evidence: Evidence,
    better: Literal["higher", "lower"],
    margin: float,
    *,
    same_environment: bool,
    alpha: float = stats.ALPHA,
) -> Judgement:
    """The first verdict that applies: regressed, improved, unchanged, inconclusive; each claim at one-sided ``alpha``.

    Exact evidence means the same work on both sides: it is unchanged, and if the value differs, the metric has changed.
    If nothing is repeated there is no claim. A margin of 0 demands equal values, and only in an equal environment:
    elsewhere, another order of summation is not a regression.
    """
    worsening = _Worsening(evidence, 1 if better == "lower" else -1, alpha)
    d = worsening.d
    if evidence.silent:
        return Judgement(Verdict.INCONCLUSIVE, f"{_moved(d)}: {evidence.silent}")
    if evidence.exact:
        if abs(d) <= margin:
            return Judgement(Verdict.UNCHANGED, f"{_moved(d)} (exact), margin {_number(margin)}", 0.0)
        return Judgement(Verdict.INCONCLUSIVE, f"{_moved(d)}: {METRIC_DIFFERS}")
    lo, hi = worsening.bounds
    if margin == 0 and d != 0 and not same_environment:
        reason = "margin 0 asks for equal values, which can be demanded only in an equal environment"
        return Judgement(Verdict.INCONCLUSIVE, f"{_moved(d)}; {reason}")
    if lo > 0 and d >= margin:
        return Judgement(Verdict.REGRESSED, _reason(worsening, margin), worsening.p_not_worse())
    if hi < 0 and d <= -margin:
        return Judgement(Verdict.IMPROVED, _reason(worsening, margin), worsening.p_worse_by(0.0))
    if hi < margin:
        return Judgement(Verdict.UNCHANGED, _reason(worsening, margin), worsening.p_worse_by(margin))
    detectable, more = _needed(worsening.spread, d if d >= margin else margin - d, alpha)
    why = "the interval contains 0" if d >= margin else "the interval reaches the margin"
    return Judgement(Verdict.INCONCLUSIVE, f"{_reason(worsening, margin)}: {why}", None, detectable, more)


@dataclass(frozen=True)
class Judged:
    """A finding, and its evidence if there is enough of it."""

    finding: Finding
    evidence: Evidence | None = None
    spread: stats.Estimate | None = None
    """Estimate of the baseline by itself."""
    direction: Mapping[str, Any] = field(default_factory=dict)
    """Direction of the field."""


def correct(judged: Sequence[Judged], alpha: float = stats.ALPHA) -> tuple[Finding, ...]:
    """Holm's correction over all gated findings: a claim that does not survive becomes inconclusive.

    A finding that is already inconclusive counts as a comparison with p = 1; an incomparable one was not tested.
    """
    family = [j for j in judged if j.finding.gated and j.finding.verdict in (*CLAIMS, Verdict.INCONCLUSIVE)]
    p_values = [
        j.finding.p if j.finding.verdict in CLAIMS and j.finding.p is not None else 1.0 for j in family
    ]
    fallen = {
        id(j)
        for j, survives in zip(family, stats.holm(p_values, alpha), strict=True)
        if not survives and j.finding.verdict in CLAIMS
    }
    findings = []
    for j in judged:
        seen = _seen(j, len(family), alpha) if j.finding.gated else j
        findings.append(_demoted(seen, len(family), alpha) if id(j) in fallen else seen.finding)
    return tuple(findings)


def _seen(judged: Judged, comparisons: int, alpha: float) -> Judged:
    """Add what the gate can see, and a warning if its margin makes no sense."""
    finding = judged.finding
    if finding.margin is None or finding.estimate is None:
        return judged
    visible = sees(judged.spread, comparisons, alpha)
    wrong = too_wide(finding.margin, finding.estimate.baseline, judged.direction, visible)
    beside = (*finding.beside, wrong) if wrong else finding.beside
    return replace(judged, finding=replace(finding, sees=visible, beside=beside))


def _demoted(judged: Judged, comparisons: int, alpha: float) -> Finding:
    finding, evidence = judged.finding, judged.evidence
    assert evidence is not None
    assert (
        evidence.spread is not None
    )  # exact claims have p = 0 and are never demoted; all others have a spread
    assert finding.margin is not None
    d = evidence.change if finding.better == "lower" else -evidence.change
    gap = finding.margin - d if finding.verdict is Verdict.UNCHANGED else abs(d)
    detectable, more = _needed(evidence.spread, gap, alpha / comparisons)
    reason = f"{finding.reason}: not sure enough among {comparisons} gated comparisons (p = {finding.p:.2g})"
    return replace(
        finding, verdict=Verdict.INCONCLUSIVE, reason=reason, detectable=detectable, more_repeats=more
    )


def _needed(spread: stats.Estimate, gap: float, alpha: float) -> tuple[float, int | None]:
    """The smallest effect that these repeats could have shown, and how many more would decide.

    This assumes that the change stays the same: the interval then has to shrink to less than ``gap``, the distance
    from the change to the value it is compared with. None if ten thousand repeats would not be enough.
    """
    needed = stats.repeats_needed(spread.sd, gap, alpha) if gap > 0 else None
    return spread.detectable(alpha), None if needed is None else max(needed - spread.n, 1)


def _reason(worsening: _Worsening, margin: float) -> str:
    evidence, (lo, hi) = worsening.evidence, worsening.bounds
    told, limit = _moved(worsening.d), f"margin {_number(margin)}"
    if worsening.d < 0:  # bounds of "better by"
        lo, hi = -hi, -lo
    confidence = f"{100.0 * (1.0 - 2.0 * worsening.alpha):.3g} %"
    return f"{told} ({confidence} interval {_number(lo)} to {_number(hi)}), {limit}, {_repeats(evidence)}"


def _moved(d: float) -> str:
    return "no change" if d == 0 else f"{'worse' if d > 0 else 'better'} by {_number(abs(d))}"


def _repeats(evidence: Evidence) -> str:
    assert evidence.spread is not None
    return f"{evidence.spread.n} {'paired ' if evidence.paired else ''}{evidence.unit}"


def _number(value: float) -> str:
    return f"{value + 0.0:.3g}"
