"""The table of checks: the function of each check, its threshold, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness.artifact import Json
from harness.stages.metrics.prompts.content import (
    apart,
    class_named,
    class_specific,
    close,
    consistent,
    from_above,
    not_from_ground,
    relevant,
    supported,
    unrepeated,
    vocabulary,
)
from harness.stages.metrics.prompts.language import (
    class_kept,
    clean,
    fits,
    no_echo,
    present,
    unambiguous,
    varied,
)
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


SHOWN = 12
"""Number of failing prompts shown for each check; the scores of all are in the table of scores."""
_LONGEST = 240
"""Number of characters of a prompt that are shown."""


def share(passed: Sequence[float]) -> float:
    """Mean of zeros and ones; 0 for an empty sequence."""
    return sum(passed) / len(passed) if passed else 0.0


def details(found: Sequence[Answers], classes: Sequence[str], limits: Limits) -> dict[str, Json]:
    """All tables: ``checks``, ``per_class``, ``failing`` and ``scores``."""
    by_class = {label: [answer for answer in found if answer.prompt.label == label] for label in classes}
    return {
        "checks": [_check(check, found, limits) for check in CHECKS],
        "per_class": [_class(label, of_it) for label, of_it in by_class.items()],
        "failing": {check.name: _failing(check, found) for check in CHECKS},
        "scores": {
            "columns": ["prompt", *(check.name for check in CHECKS)],
            "rows": [_scores(answer) for answer in found],
        },
    }


def _check(check: Check, found: Sequence[Answers], limits: Limits) -> Json:
    """A check's threshold, the number of prompts it applies to, and the number that fail."""
    passed = [answer.passed[check.name] for answer in found]
    return {
        "check": check.name,
        "threshold": f"{check.bound} {check.limit(limits):g}",
        "applies_to": sum(p is not None for p in passed),
        "failed": passed.count(False),
    }


def _class(label: str, found: Sequence[Answers]) -> Json:
    """Number of prompts of a class, and for each check the share that pass and the mean score."""
    row: dict[str, Json] = {
        "class": label,
        "n": len(found),
        "passed": share([answer.all_passed for answer in found]),
    }
    for check in CHECKS:
        scores = [s for answer in found if (s := answer.findings[check.name].score) is not None]
        passed = [float(p) for answer in found if (p := answer.passed[check.name]) is not None]
        row[check.name] = {"passed": share(passed), "score": sum(scores) / len(scores)} if scores else None
    return row


def _failing(check: Check, found: Sequence[Answers]) -> Json:
    """The first prompts that the check fails, with its evidence."""
    return [
        {
            "prompt": answer.prompt.name,
            "class": answer.prompt.label,
            "text": answer.prompt.text[:_LONGEST],
            "score": answer.findings[check.name].score,
            "evidence": list(answer.findings[check.name].evidence),
        }
        for answer in found
        if answer.passed[check.name] is False
    ][:SHOWN]


def _scores(answer: Answers) -> Json:
    scores = (answer.findings[check.name].score for check in CHECKS)
    return [answer.prompt.name, *(None if score is None else round(score, 4) for score in scores)]
