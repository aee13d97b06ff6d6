"""The result of a comparison as a whole, in a word and a sentence, and what a change proposes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.compare import Comparison, Finding, Proposal, Proposed, Verdict
from harness.compare.wording import WORST_FIRST, clean, counted, listed, point, tally, together
from harness.errors import Exit


@dataclass(frozen=True)
class Outcome:
    """The result of the whole comparison, as a word and a sentence."""

    word: str
    """A verdict's word, ``"failed"``, ``"missing"``, ``"no baseline yet"``, ``"not gated"``, ``"proposed"``, or
    ``"worse"`` (a proposal for the worse)."""
    sentence: str
    exit: Exit


def outcome(comparison: Comparison) -> Outcome:
    """The result of the comparison as a whole; the word follows the exit code."""
    gated = [f for f in comparison.findings if f.gated]
    verdicts = {f.verdict for f in gated}
    code = comparison.exit()
    proposal = comparison.proposal if comparison.proposal and comparison.proposal.counts else None
    if code is Exit.FAILED:
        word = "failed"
    elif proposal:
        word = "worse" if proposal.worse else "proposed"
    elif code is Exit.INCOMPARABLE and comparison.lacks_baseline and Verdict.INCOMPARABLE not in verdicts:
        word = "no baseline yet"
    elif code is Exit.INCOMPARABLE and Verdict.INCOMPARABLE not in verdicts:
        word = "missing"
    else:
        order = (*WORST_FIRST[:3], Verdict.IMPROVED, Verdict.UNCHANGED)
        word = next((str(v) for v in order if v in verdicts), "not gated")
    parts = [f"{len(gated):,} gated: {tally(gated)}" if gated else "nothing is gated"]
    if comparison.baseline is None:
        parts = _first(gated)
    if proposal and code is not Exit.FAILED:
        told = f'{"proposed: " if proposal.worse else ""}{_figures(proposal)}, reason "{proposal.accepted.reason}", '
        parts.insert(0, clean(f"{told}by {proposal.by}"))
    if comparison.failures:
        parts.append(f"{counted(len(comparison.failures), 'task')} failed")
    if comparison.missing:
        parts.append(f"{counted(len(comparison.missing), 'score')} missing")
    return Outcome(word, "; ".join(parts), code)


def _first(gated: Sequence[Finding]) -> list[str]:
    """What a run without a baseline has to say: what was measured, and what its own reference shows."""
    waiting = [f for f in gated if f.against is None]
    inner = [f for f in gated if f.against is not None]
    parts = [f"{counted(len(waiting), 'gate')} measured"] if waiting else []
    parts += [f"{len(inner):,} gated against the reference: {tally(inner)}"] if inner else []
    return parts or ["nothing is gated"]


def _figures(proposal: Proposal) -> str:
    """The figures that would be accepted, the first few: ``"classes.accuracy 0.540 → 0.612 and 2 more"``."""
    if not proposal.figures:
        return "the same figures"
    worse = [f for f in proposal.figures if f.name in proposal.worse]
    return listed([_replaced(f) for f in (*worse, *(f for f in proposal.figures if f not in worse))], 2)


def _replaced(figure: Proposed) -> str:
    values = [v for v in (figure.before, figure.after) if v is not None]
    shown = together(values)
    where = f" ({point(figure.at)})" if figure.at else ""
    return f"{figure.name}{where} {' → '.join(shown) if len(shown) > 1 else f'{shown[0]} (new)'}"


def proposed(proposal: Proposal) -> list[str]:
    """What merging a change would accept, one sentence each, and why it does not count if it does not."""
    about = f"by {proposal.by}: {proposal.accepted.reason}"
    kind = "for the worse, " if proposal.worse else ""
    lines = [f"a new baseline [{proposal.accepted.label}] {kind}{about}"]
    lines += [_replaced(f) for f in proposal.figures] or ["no gated figure changes"]
    lines += proposal.gates
    lines += [f"does not count: {reason}" for reason in proposal.withheld]
    return (
        lines if proposal.withheld else [*lines, "merging this change accepts it; nothing is accepted before"]
    )
