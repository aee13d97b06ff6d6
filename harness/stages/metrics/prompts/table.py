"""The table of checks: the function of each check and its threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness.stages.metrics.prompts.content import (
    apart,
    class_named,
    close,
    consistent,
    from_above,
    not_from_ground,
    relevant,
    supported,
    vocabulary,
)
from harness.stages.metrics.prompts.diversity import class_specific, unrepeated
from harness.stages.metrics.prompts.form import class_kept, clean, fits, no_echo, present, varied
from harness.stages.metrics.prompts.homonyms import unambiguous
from harness.stages.metrics.prompts.words import Context, Finding

if TYPE_CHECKING:
    from harness.formats.prompts import Prompt


@dataclass(frozen=True)
class Limits:
    """The thresholds; ``prompts.checks`` documents each."""

    words: int
    repetition: float
    tokens: int
    relevance: float
    margin: float
    vocabulary: int
    support: float
    closeness: float
    likeness: float


class Check(NamedTuple):
    """One check of one prompt. To add one: a function, a line in ``CHECKS``, a field in ``CheckScores``."""

    find: Callable[[Prompt, Context], Finding]
    """Its function name is the name of the check."""
    bound: Literal["at least", "at most", "below"]
    limit: Callable[[Limits], float]

    @property
    def name(self) -> str:
        return self.find.__name__

    def passes(self, finding: Finding, limits: Limits) -> bool | None:
        """Whether a finding passes; None if the check does not apply."""
        if finding.score is None:
            return None
        limit = self.limit(limits)
        if self.bound == "at least":
            return finding.score >= limit
        return finding.score <= limit if self.bound == "at most" else finding.score < limit


def _none(_: Limits) -> float:
    return 0.0


def _one(_: Limits) -> float:
    return 1.0


CHECKS: tuple[Check, ...] = (
    Check(present, "at least", lambda limits: limits.words),
    Check(clean, "at most", _none),
    Check(varied, "at most", lambda limits: limits.repetition),
    Check(no_echo, "at most", _none),
    Check(fits, "at most", lambda limits: limits.tokens),
    Check(class_kept, "at most", _none),
    Check(class_named, "at least", _one),
    Check(relevant, "at least", lambda limits: limits.relevance),
    Check(apart, "at least", lambda limits: limits.margin),
    Check(from_above, "at least", _one),
    Check(not_from_ground, "at most", _none),
    Check(vocabulary, "at least", lambda limits: limits.vocabulary),
    Check(supported, "at least", lambda limits: limits.support),
    Check(close, "at least", lambda limits: limits.closeness),
    Check(unambiguous, "at most", _none),
    Check(unrepeated, "below", lambda limits: limits.likeness),
    Check(class_specific, "below", lambda limits: limits.likeness),
    Check(consistent, "at most", _none),
)


@dataclass(frozen=True)
class Answers:
    """All findings about one prompt, by the checks' names."""

    prompt: Prompt
    findings: Mapping[str, Finding]
    passed: Mapping[str, bool | None]

    @property
    def all_passed(self) -> bool:
        """No check failed."""
        return False not in self.passed.values()


def answers(prompts: Sequence[Prompt], context: Context, limits: Limits) -> list[Answers]:
    """Run every check on every prompt."""
    found = []
    for prompt in prompts:
        findings = {check.name: check.find(prompt, context) for check in CHECKS}
        passed = {check.name: check.passes(findings[check.name], limits) for check in CHECKS}
        found.append(Answers(prompt, findings, passed))
    return found
