"""Two sides of a comparison, and the findings on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.artifact import Json
from harness.compare import Difference, Estimate, Finding, Verdict, stats
from harness.compare.claim import beside, claim_of, mixed, mixture, same_subject, unproven
from harness.compare.decide import CLAIMS, Judged, Judgement, decide
from harness.compare.differences import (
    declared_differences,
    differences,
    environment_differences,
    measuring_changes,
)
from harness.compare.evidence import Evidence, gather
from harness.compare.match import Pair
from harness.compare.sample import Side, alone, is_same
from harness.store.record import GateInfo, Run, Score

NAMED = 3
"""A reason names at most this many fields; the finding has them all."""


@dataclass
class Contrast:
    """A candidate against a baseline, or the points of one run against its reference point."""

    candidate: Side
    baseline: Side
    reference: Mapping[str, Json] | None = None
    """The reference point, if both sides are one run; its axes are then not part of the protocols."""
    alpha: float = stats.ALPHA
    """One-sided level of every claim."""
    _differences: dict[int, tuple[Pair, tuple[Difference, ...]]] = field(default_factory=dict)
    """Differences by the identity of a pair. The pair is kept so that no other pair gets its id."""
    _causes: dict[tuple[frozenset[str], frozenset[str]], tuple[Difference, ...]] = field(default_factory=dict)

    def judge(
        self, pairs: Sequence[Pair], name: str, at: Mapping[str, Json], gate: GateInfo | None, *, gated: bool
    ) -> Judged:
        """The finding on a field, as the mean over ``pairs``. All pairs are of one metric.

        Scores with failed repeats are left out. Without a ``gate`` there is no margin, and the finding has an estimate
        but no verdict.
        """
        usable: Sequence[Pair] = [p for p in pairs if p.candidate.complete and p.baseline.complete]
        finding = replace(
            self.unjudged(pairs[0].candidate.metric, name, at, gate, gated=gated), points=len(usable)
        )
        obstacle = self._obstacle(finding, usable) or (_lost(pairs) if gated else "")
        if obstacle:
            return Judged(replace(finding, reason=obstacle))
        evidence = gather(usable, name, self.candidate, self.baseline)
        usable = evidence.pairs
        metric = pairs[0].candidate.metric
        claim = claim_of(usable, *(side.run.metrics[metric] for side in (self.candidate, self.baseline)))
        finding = replace(
            finding,
            estimate=_estimate(evidence, 1.0 - 2.0 * self.alpha),
            margin=None if gate is None else self._margin(gate, evidence.baseline),
            claim=claim,
            executed=any(r.executed for p in usable for r in p.candidate.repeats),
            causes=self._environments(usable),
            beside=(*beside(usable, claim, gated=gated), *filter(None, [evidence.note])),
        )
        ours, theirs = (side.run.metrics[metric].fields for side in (self.candidate, self.baseline))
        changed = (*declared_differences(metric, ours, theirs, only=name), *self._protocols(usable))
        if changed:
            return Judged(incomparable(finding, changed))
        if changed := measured_otherwise(self.candidate.run, self.baseline.run, usable):
            return Judged(other_code(finding, changed))
        if evidence.lacking:
            return Judged(replace(finding, reason=evidence.lacking))
        if finding.margin is None:
            reason = "no margin is declared for it" + (f"; {evidence.silent}" if evidence.silent else "")
            return Judged(replace(finding, verdict=None, reason=reason))
        same = not finding.causes
        judgement = decide(evidence, finding.better, finding.margin, same_environment=same, alpha=self.alpha)
        if judgement.verdict in (Verdict.REGRESSED, Verdict.IMPROVED) and (why := unproven(claim)):
            judgement = Judgement(Verdict.INCONCLUSIVE, f"{judgement.reason}: {why}")
        if judgement.verdict in CLAIMS and (why := self._no_claim(usable, judgement.verdict)):
            judgement = Judgement(Verdict.INCONCLUSIVE, f"{judgement.reason}: {why}")
        finding = replace(
            finding,
            verdict=judgement.verdict,
            reason=judgement.reason,
            p=judgement.p,
            detectable=judgement.detectable,
            more_repeats=judgement.more_repeats,
        )
        before = alone([p.baseline for p in usable], name, self.baseline) if gated else None
        return Judged(finding, evidence, before, self.baseline.run.metrics[metric].fields[name] or {})

    def _no_claim(self, pairs: Sequence[Pair], verdict: Verdict) -> str:
        """Why these repeats allow no claim about the subject, whatever their values say; empty if they do."""
        for scores, where in (
            ([p.candidate for p in pairs], "the run"),
            ([p.baseline for p in pairs], "the baseline"),
        ):
            if names := mixed(scores):
                return mixture(names, where)
        timed = self.candidate.run.metrics[pairs[0].candidate.metric].timed  # equal bytes may take longer
        subject = self.candidate.run.declaration.get("subject")
        is_other_run = (
            self.reference is None
        )  # the points of one run differ in what is swept, the subject or not
        if is_other_run and verdict is not Verdict.UNCHANGED and not timed and same_subject(pairs, subject):
            return "what is under test came out the same on both sides, so that the difference is not its own"
        return ""

    def unjudged(
        self,
        metric: str,
        name: str,
        at: Mapping[str, Json],
        gate: GateInfo | None,
        *,
        gated: bool,
        reason: str = "",
    ) -> Finding:
        """An incomparable finding, with the reason and without figures."""
        return Finding(
            metric=metric,
            field=name,
            better=self._better(metric, name),
            at=dict(at),
            points=0,
            against=None if self.reference is None else dict(self.reference),
            gated=gated,
            verdict=Verdict.INCOMPARABLE,
            reason=reason,
            estimate=None,
            margin=None if gate is None or gate.relative else gate.margin,
            executed=True,
        )

    def _better(self, metric: str, name: str) -> Literal["higher", "lower"]:
        for side in (self.candidate, self.baseline):
            info = side.run.metrics.get(metric)
            direction = info.fields.get(name) if info else None
            if direction:
                return "lower" if direction["better"] == "lower" else "higher"
        return "higher"

    def _obstacle(self, finding: Finding, usable: Sequence[Pair]) -> str:
        """Why there are no values to compare; empty if there are."""
        for run, where in ((self.candidate.run, "the run"), (self.baseline.run, "the baseline")):
            if finding.field not in run.metrics[finding.metric].fields:
                return f"{where} has no {finding.name}"
        if not usable:
            return "no score without failed repeats on both sides"
        return ""

    def _margin(self, gate: GateInfo, baseline: float) -> float:
        if not gate.relative:
            return gate.margin
        direction = self.candidate.run.metrics[gate.metric].fields[gate.field] or {}
        return stats.margin_of(gate.margin, baseline, direction.get("floor", 0.0))

    def _protocols(self, pairs: Sequence[Pair]) -> tuple[Difference, ...]:
        """All differences of protocol among ``pairs``, without duplicates."""
        found: dict[str, Difference] = {}
        for pair in pairs:
            if id(pair) not in self._differences:
                defaults = self.candidate.run.defaults, self.baseline.run.defaults
                changed = differences(pair.candidate, pair.baseline, *defaults, self.reference or ())
                self._differences[id(pair)] = pair, changed
            found.update((str(d), d) for d in self._differences[id(pair)][1])
        return tuple(found.values())

    def _environments(self, pairs: Sequence[Pair]) -> tuple[Difference, ...]:
        ours, theirs = _ids(p.candidate for p in pairs), _ids(p.baseline for p in pairs)
        if (ours, theirs) not in self._causes:
            self._causes[ours, theirs] = environment_differences(
                _tables(self.candidate.run, ours),
                _tables(self.baseline.run, theirs),
                {**self.candidate.run.distributions, **self.baseline.run.distributions},
            )
        return self._causes[ours, theirs]


def _lost(pairs: Sequence[Pair]) -> str:
    """Why a mean over the points cannot be judged; empty if the baseline has values at all of them."""
    lost = [p.baseline for p in pairs if p.candidate.complete and not p.baseline.complete]
    if not lost:
        return ""
    return f"the baseline has failed repeats at {len(lost)} of {len(pairs)} points"


def _ids(scores: Iterable[Score]) -> frozenset[str]:
    return frozenset(e for score in scores for repeat in score.repeats for e in repeat.environments)


def _tables(run: Run, ids: frozenset[str]) -> list[Mapping[str, Json]]:
    return [run.environments[i] for i in sorted(ids) if i in run.environments]


def _estimate(evidence: Evidence, confidence: float) -> Estimate:
    low, high = evidence.interval(confidence) or (None, None)
    return Estimate(
        evidence.baseline,
        evidence.candidate,
        evidence.change,
        low,
        high,
        evidence.unit,
        evidence.repeats,
        evidence.paired,
        round(confidence, 12),
    )


def measured_otherwise(candidate: Run, baseline: Run, pairs: Sequence[Pair]) -> tuple[Difference, ...]:
    """The stages that measure with other code on one side, unless the metric read the same bytes on both sides.

    Then what stands before it made no difference, and one of its own shows in the values.
    """
    if is_same([p.baseline for p in pairs], [p.candidate for p in pairs]):
        return ()
    return measuring_changes(candidate, baseline, pairs)


def incomparable(
    finding: Finding, changed: Sequence[Difference], what: str = "the protocols differ in"
) -> Finding:
    """A finding whose sides mean different things."""
    names = list(dict.fromkeys(d.field for d in changed))
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    reason = f"{what} {', '.join(names[:NAMED])}{rest}".rstrip()
    return replace(finding, verdict=Verdict.INCOMPARABLE, reason=reason, differences=tuple(changed), p=None)


def other_code(finding: Finding, changed: Sequence[Difference]) -> Finding:
    """A finding whose sides were measured with different code, and what to do."""
    is_metric = all(d.field.startswith(f"{finding.metric} ") for d in changed)
    found = incomparable(finding, changed, "the code that measures differs in")
    advice = (
        "harness rescore computes the baseline's values anew"
        if is_metric
        else "a baseline of this code can show what changed"
    )
    return replace(found, reason=f"{found.reason}, which may be why the values differ; {advice}")
