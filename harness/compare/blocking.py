"""Which outcomes block a change: the words of ``--fail-on``, and the exit code that follows from them.

The words are about single findings, not about the outcome as a whole: a run that is regressed in one gate and
inconclusive in another is blocked by either word.
"""

from __future__ import annotations

from collections.abc import Collection

from harness.compare import Comparison, Verdict
from harness.errors import Exit, UsageError, nearest

CODES = {
    "regressed": Exit.REGRESSED,
    "worse": Exit.REGRESSED,
    "incomparable": Exit.INCOMPARABLE,
    "missing": Exit.INCOMPARABLE,
    "no-baseline": Exit.INCOMPARABLE,
    "proposed": Exit.INCOMPARABLE,
    "inconclusive": Exit.INCONCLUSIVE,
}
"""Word → exit code of a run that it blocks. ``worse`` is a proposed baseline for the worse, ``proposed`` any."""

USUAL = ("regressed", "incomparable", "missing", "no-baseline")
"""The words that give the exit codes of ``harness run``; with ``inconclusive`` those of ``--strict``."""


def parse(text: str) -> tuple[str, ...]:
    """Read words that are separated by commas or white space; ``none`` stands for no word.

    A failed task blocks always, so that ``failed`` may be written and changes nothing.

    Raises:
        UsageError: a word that is not known, or no word.
    """
    words = tuple(dict.fromkeys(text.replace(",", " ").split()))
    known = (*CODES, "failed", "none")
    for word in words:
        if word not in known:
            close = nearest(word, known) or f"; expected one of: {', '.join(known)}"
            raise UsageError(f"--fail-on: no outcome is called {word!r}{close}")
    if not words or ("none" in words and len(words) > 1):
        raise UsageError(f"--fail-on {text!r}: expected 'none', or some of: {', '.join(CODES)}")
    return tuple(w for w in words if w in CODES)


def present(comparison: Comparison) -> list[str]:
    """The words that hold for a comparison, in the order of their exit codes.

    A baseline that the change proposes excuses the findings, and nothing else does.
    """
    gated = {f.verdict for f in comparison.findings if f.gated}
    proposal = comparison.proposal
    if proposal is not None and proposal.counts:
        told = {"worse": bool(proposal.worse), "proposed": True, "inconclusive": bool(proposal.open)}
    else:
        told = {
            "regressed": Verdict.REGRESSED in gated,
            "incomparable": Verdict.INCOMPARABLE in gated,
            "missing": bool(comparison.missing),
            "no-baseline": comparison.lacks_baseline,
            "inconclusive": Verdict.INCONCLUSIVE in gated,
        }
    return [word for word in CODES if told.get(word)]


def exit_code(comparison: Comparison, words: Collection[str]) -> Exit:
    """The exit code of a run if these words block; a failed task blocks whatever they are."""
    if comparison.failures:
        return Exit.FAILED
    return next((CODES[word] for word in present(comparison) if word in words), Exit.OK)
