"""How sure verdicts are, at which look they were found, and the commands that would make open ones surer."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from harness.compare.comparison import Comparison, Finding, Verdict
from harness.compare.looks import advised, told
from harness.compare.stats import ALPHA, CONFIDENCE
from harness.record import Run


def confidence(findings: Iterable[Finding]) -> str:
    """Of the intervals of one comparison, which all have the same: ``"90 %"``; of figures by themselves for none."""
    found = next((f.estimate.confidence for f in findings if f.estimate is not None), CONFIDENCE)
    return f"{100.0 * found:.3g} %"


def look(comparison: Comparison) -> str:
    """Which of several looks the verdicts are from, or why there was only one; empty where nobody asked for more."""
    return "" if comparison.looks is None else told(comparison.looks)


def more_evidence(run: Run, comparison: Comparison) -> tuple[str, ...]:
    """The commands that would decide the inconclusive gates, in order; empty where seeds would not.

    The number of seeds is what the findings say is needed if the changes stay where they are, with room for the
    levels of several looks.
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
    """The command of the run, without what it said of looks."""
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
