"""Findings and the parts of a change as text: their certainty, and what would increase it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from harness.compare import Comparison, Difference, Finding, Verdict
from harness.compare.explain import Explanation, Part, Place
from harness.compare.planning import advised, told
from harness.compare.stats import ALPHA, CONFIDENCE
from harness.compare.wording import clean, counted, evidence, figures, margin, measured, point, together
from harness.store.record import Run

DIFFERENCES = 20
"""Maximum number of protocol fields, and of environment fields, that are listed; the rest is counted."""


def finding_lines(finding: Finding) -> list[str]:
    """Return the verdict and its reason on the first line, then figures, differences and possible causes.

    Names and reasons are not cleaned or escaped: the caller has to do it.
    """
    shown = figures(finding)
    if finding.measured is not None:
        mean, deviation, bound, visible, repeats = measured(finding)
        spread = f", deviation of one repeat {deviation}" if deviation else ""
        sees = f", which could see {visible}" if visible else ""
        return [f"no baseline yet: mean {mean}{spread} ({repeats}), margin {bound}{sees}"]
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


def confidence(findings: Iterable[Finding]) -> str:
    """Return the common confidence level of a comparison's intervals, such as ``"90 %"``.

    Without findings, it is the level of the intervals of single figures.
    """
    found = next((f.estimate.confidence for f in findings if f.estimate is not None), CONFIDENCE)
    return f"{100.0 * found:.3g} %"


def look(comparison: Comparison) -> str:
    """Say which of several looks the verdicts are from, or why there was only one; empty if only one was requested."""
    return "" if comparison.looks is None else told(comparison.looks)


def more_evidence(run: Run, comparison: Comparison) -> tuple[str, ...]:
    """Return the commands that would decide the inconclusive gates, in order; empty if more seeds would not.

    The number of seeds is the one that the findings need if the changes stay as they are, increased for the levels of
    several looks.
    """
    open_ = [
        (f, f.estimate.repeats, f.more_repeats)
        for f in comparison.findings
        if f.gated and f.verdict is Verdict.INCONCLUSIVE and f.estimate is not None
        if f.estimate.unit == "seeds" and f.more_repeats is not None
    ]
    swept: Any = run.declaration.get("seeds") or {}
    own = max(map(len, swept.values()), default=0)
    if not open_ or not own:
        return ()
    _, repeats, more = max(open_, key=lambda o: o[2])
    looks = comparison.looks
    first, alpha = (own, ALPHA) if looks is None else (looks.seeds[0], looks.alpha)
    needed = advised(min(first, repeats), repeats + more, alpha)
    if needed is None:
        return ()
    most = own + needed - repeats
    commands = [f"{_run(run)} --until-conclusive --max-seeds {most}"]
    accepted = comparison.accepted
    if accepted is not None and any(f.against is None for f, _, _ in open_):
        named = comparison.baseline or accepted.label
        named = f"{run.suite}/{named}" if named == accepted.label else shlex.quote(named)
        commands.insert(0, f"harness extend {named} --seeds {most}")
    return tuple(commands)


def _run(run: Run) -> str:
    """Return the command of the run, without its options for looks."""
    command: Any = run.provenance.get("command") or []
    if command[:2] != ["harness", "run"]:
        return "harness run …"
    words = iter(map(str, command))
    kept = []
    for word in words:
        if word == "--max-seeds":
            next(words, None)
        elif word != "--until-conclusive" and not word.startswith("--max-seeds="):
            kept.append(word)
    return shlex.join(kept)


def reproduces(run: Run) -> str:
    """The command of the run, its words quoted for a shell; empty if the record has none of ``harness run``."""
    command: Any = run.provenance.get("command") or []
    is_run = isinstance(command, list | tuple) and list(command[:2]) == ["harness", "run"]
    return shlex.join(map(str, command)) if is_run else ""


def name(place: Place) -> str:
    """Return the name of an item, cluster, repeat or point: ``"00017.png (seed=1)"``, ``"seed=1"``."""
    where = point({**json.loads(place.point or "{}"), **dict(place.seeds or ())})
    what = place.item if place.item is not None else place.cluster
    if what is None:
        return clean(where)
    return clean(f"{what} ({where})" if where else what, most=120)


def share(explanation: Explanation, part: Part, parts: Sequence[Part]) -> str:
    """Return a part's share of the change, ``"12 %"``; empty if it has the opposite sign or the parts mostly cancel."""
    found = explanation.share(part, parts)
    if found is None or found <= 0:
        return ""
    return f"{100 * found:.0f} %" if found >= 0.005 else "< 1 %"


def sum_up(explanation: Explanation, parts: Sequence[Part], shown: Sequence[Part], what: str) -> str:
    """Say how much of the change is shown, and what is not.

    Args:
        explanation: explanation of the change.
        parts: all parts.
        shown: the parts that are shown.
        what: word for one part, such as ``"item"``.
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
