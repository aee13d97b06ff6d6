"""Results of the checks as tables: by check, by class, and the failing prompts with the evidence."""

from __future__ import annotations

from collections.abc import Sequence

from harness.artifact import Json
from harness.stages.metrics.prompts.table import CHECKS, Answers, Check, Limits

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
