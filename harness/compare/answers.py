"""The answer of a sweep: which points are as good as the reference point, at what cost, and which are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from harness.artifact import Json
from harness.compare import Finding, Verdict
from harness.compare.match import ABSENT, in_point, value_at
from harness.compare.sample import Side, lacks_timing
from harness.compare.wording import WORST_FIRST, listed, point, together
from harness.formats.strict_json import canonical
from harness.store.record import Run, Score

COSTS = {"evaluations": "network evaluations per image", "s_per_image": "seconds per image"}
"""Score fields that are a cost → what they count; the one that does not depend on the machine comes first."""


@dataclass
class PointAnswer:
    """What a sweep says about one point, over all fields that have a margin."""

    point: Mapping[str, Json]
    """Its values on the axes of the reference."""
    reference: Mapping[str, Json]
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    """``metric.field`` → its verdicts: several if other axes are swept too."""
    cost: tuple[str, float, float] | None = None
    """Field of the cost, its value here and at the reference; None if nothing measures one."""

    @property
    def is_as_good(self) -> bool:
        """Whether every field is *unchanged* or *improved*."""
        return all(v in (Verdict.UNCHANGED, Verdict.IMPROVED) for of in self.verdicts.values() for v in of)

    def named(self, verdict: Verdict) -> list[str]:
        """The fields with this verdict."""
        return [name for name, found in self.verdicts.items() if verdict in found]


def answers(findings: Iterable[Finding], run: Run) -> list[PointAnswer]:
    """One per point that is compared with the reference point of the run: as good and cheap ones first.

    Args:
        findings: findings of a comparison; those against a baseline, and those without a margin, are left out.
        run: the run.
    """
    found: dict[str, PointAnswer] = {}
    for f in findings:
        if f.against is None or f.verdict is None or f.margin is None:
            continue
        point = {axis: f.at.get(axis, value) for axis, value in f.against.items()}
        answer = found.setdefault(canonical(point), PointAnswer(point, f.against))
        answer.verdicts.setdefault(f.name, []).append(f.verdict)
    for answer in found.values():
        answer.cost = _cost(answer, run)
    return sorted(found.values(), key=_rank)


def _rank(answer: PointAnswer) -> tuple[int, float, str]:
    order = 0 if answer.is_as_good else 1 if answer.named(Verdict.REGRESSED) else 2
    return order, answer.cost[1] if answer.cost else 0.0, canonical(answer.point)


def _cost(answer: PointAnswer, run: Run) -> tuple[str, float, float] | None:
    for name in COSTS:
        for metric, info in run.metrics.items():
            if info.fields.get(name) is None:
                continue
            scores = [s for s in run.scores if s.metric == metric and s.complete]
            here, there = (
                _mean([s for s in scores if _is_at(s, point)], name)
                for point in (answer.point, answer.reference)
            )
            if here is not None and there is not None and not lacks_timing(scores, Side(run)):
                return name, here, there
    return None


def _is_at(score: Score, point: Mapping[str, Json]) -> bool:
    return in_point(score, {axis: v for axis, v in point.items() if value_at(score, axis) != ABSENT})


def _mean(scores: Sequence[Score], name: str) -> float | None:
    values = [r.values[name] for s in scores for r in s.repeats if name in r.values]
    return fmean(values) if values else None


def answered(found: Sequence[PointAnswer]) -> list[str]:
    """What a sweep says about each point, one sentence each, those that are as good as the reference first."""
    return [_answer(a) for a in found]


def _answer(answer: PointAnswer) -> str:
    here, there = spoken(answer.point), spoken(answer.reference)
    if answer.is_as_good:
        better = answer.named(Verdict.IMPROVED)
        n = len(answer.verdicts)
        told = f"{here} is as good as {there} in {_all(n) if n > 1 else next(iter(answer.verdicts))}"
        told += f", better in {listed(better, 2)}" if better else ""
        return told + _price(answer)
    parts = [
        f"{'regressed' if v is Verdict.REGRESSED else f'is {v}'} in {listed(names, 3)}"
        for v in WORST_FIRST[:3]
        if (names := answer.named(v))
    ]
    return f"{here} {' and '.join(parts)} against {there}{_price(answer)}"


def _all(n: int) -> str:
    return "both gated fields" if n == 2 else f"all {n} gated fields"


def _price(answer: PointAnswer) -> str:
    if answer.cost is None or answer.cost[1] == answer.cost[2]:
        return ""
    name, here, there = answer.cost
    shown = together([here, there])
    return f", for {shown[0]} of {shown[1]} {name.replace('_', ' ')}"


def spoken(at: Mapping[str, Json]) -> str:
    """A point as one says it: ``"dpmsolver++ at 10 steps"``; as by ``point`` if its values alone would say nothing."""
    words = [str(v) for v in at.values() if isinstance(v, str)]
    numbers = [
        f"{v} {word}" if isinstance(v, int) else f"{word} {canonical(v)}"
        for axis, v in at.items()
        if isinstance(v, int | float) and not isinstance(v, bool)
        for word in [axis.rpartition(".")[2].replace("_", " ")]
    ]
    if not words or len(words) + len(numbers) < len(at):
        return point(at)
    return " ".join(words) + (f" at {' and '.join(numbers)}" if numbers else "")
