"""Two sides of a comparison, and the findings on them: what each is about, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

from harness.artifact import Json
from harness.compare import Claim, Difference, Estimate, Finding, Verdict, stats
from harness.compare.decide import Judged, Judgement, decide
from harness.compare.evidence import Evidence, gather
from harness.compare.match import Pair, declared_differences, differences, environment_differences
from harness.compare.sample import Side, alone, read_the_same
from harness.store.record import GateInfo, MetricInfo, Repeat, Run, Score, Subject


def claim_of(pairs: Sequence[Pair], ours: MetricInfo, theirs: MetricInfo) -> Claim:
    """What a finding over ``pairs`` is about; all pairs are of one metric.

    Args:
        pairs: at least one pair.
        ours: the metric in the candidate.
        theirs: the metric in the baseline.
    """
    chances = _Chances(pairs)
    subject = ours.subject
    once = dict(subject.once)
    once |= {n: theirs.subject.once[n] for n in subject.repeated if n in theirs.subject.once}
    idle = [n for n in subject.repeated if n not in once and chances.repeats_nothing(n)]
    repeated = tuple(n for n in subject.repeated if n not in once and n not in idle)
    anew = tuple(n for n in (*once, *idle) if chances.is_anew(n))
    learnt = {*subject.learnt, *theirs.subject.learnt}
    parts = [f"the recipe of {named(repeated)}"] if repeated else []
    parts += [_once(n, "training" if n in learnt else "run", two=chances.are_two(n)) for n in once]
    parts += [f"the one output of `{n}`, whose seeds gave the same bytes" for n in idle]
    text = ", ".join(parts) or subject.fixed
    if not repeated and not idle and ours.seeds:
        swept = dict.fromkeys(s.partition(".")[0] for s in ours.seeds)
        text += f" (only {named(swept)} was repeated)"
    return Claim(text, repeated, once, anew)


def beside(pairs: Sequence[Pair], claim: Claim, *, gated: bool) -> Iterator[str]:
    """Notes about random stages to show next to a verdict, one sentence each."""
    if gated and claim.once:
        yield left_to_chance(claim.once, "was run once", "were run once")
    chances = _Chances(pairs)
    for name in chances.names:
        if name not in claim.once and name not in claim.repeated and chances.is_anew(name):
            yield f"`{name}` was executed anew and came out differently: a likely cause, and not under test"


def planned(subject: Subject) -> str:
    """What a plan reports about a gate before anything runs; empty if every random stage is repeated."""
    return left_to_chance(subject.once, "runs once", "run once") if subject.once else ""


def left_to_chance(once: Mapping[str, str], one: str, several: str) -> str:
    """A sentence on which stages are not repeated, and how to repeat them."""
    does, them = (one, "it") if len(once) == 1 else (several, "them")
    return f"{named(once)} {does}: no claim about the recipe of {them}; to repeat: {how(once.values())}"


def how(seeds: Iterable[str]) -> str:
    """The lines of a suite that repeat stages."""
    return "seeds: {" + ", ".join(f"{seed}: [0, 1, 2]" for seed in seeds) + "}"


def unproven(claim: Claim) -> str:
    """Why a difference cannot be attributed to the subject; empty if it can be."""
    if not claim.anew:
        return ""
    what = f"{named(claim.anew)} {'has' if len(claim.anew) == 1 else 'have'} the same recipe on both sides"
    seeds = [claim.once[n] for n in claim.anew if n in claim.once]
    advice = f"; to repeat: {how(seeds)}" if seeds else ""
    return f"{what}, executed anew, and came out differently, which one run each cannot judge{advice}"


def named(names: Iterable[str]) -> str:
    """``"`a`, `b` and `c`"``."""
    quoted = [f"`{n}`" for n in names]
    return " and ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


def _once(name: str, word: str, *, two: bool) -> str:
    return f"these two {word}s of `{name}`" if two else f"this one {word} of `{name}`"


class _Chances:
    """The outputs of the random stages on both sides of some pairs."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs
        self.names = sorted(
            {n for p in pairs for s in (p.candidate, p.baseline) for r in s.repeats for n in r.drawn}
        )

    def repeats_nothing(self, name: str) -> bool:
        """Whether every seed gave the same bytes, on both sides and at each point."""
        return all(
            len(made) > 1 and len(set(made.values())) == 1 and "" not in made.values()
            for pair in self._pairs
            for made in (_made(pair.candidate, name), _made(pair.baseline, name))
        )

    def are_two(self, name: str) -> bool:
        """Whether the sides have different executions of it."""
        return self.is_anew(name) or any(
            _made(p.candidate, name).keys() != _made(p.baseline, name).keys() for p in self._pairs
        )

    def is_anew(self, name: str) -> bool:
        """Whether it has the same key on both sides but different outputs."""
        return any(_is_anew(pair, name) for pair in self._pairs)


def _is_anew(pair: Pair, name: str) -> bool:
    ours, theirs = _contents(pair.candidate, name), _contents(pair.baseline, name)
    for key in ours.keys() & theirs.keys():
        if "" in ours[key] | theirs[key]:  # no longer stored: compare what was made from it
            if any(a.key == b.key and not read_the_same(a, b) for a, b in _repeats_of(pair, name, key)):
                return True
        elif ours[key] != theirs[key]:
            return True
    return False


def _repeats_of(pair: Pair, name: str, key: str) -> Iterator[tuple[Repeat, Repeat]]:
    """Every repeat of one side with every repeat of the other, among those made from this execution of the stage."""
    ours, theirs = (
        [r for r in score.repeats if name in r.drawn and r.drawn[name].key == key]
        for score in (pair.candidate, pair.baseline)
    )
    return product(ours, theirs)


def _made(score: Score, name: str) -> dict[str, str]:
    return {r.drawn[name].key: r.drawn[name].content for r in score.repeats if name in r.drawn}


def _contents(score: Score, name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for repeat in score.repeats:
        if name in repeat.drawn:
            made = repeat.drawn[name]
            found.setdefault(made.key, set()).add(made.content)
    return found


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
        obstacle = self._obstacle(finding, usable)
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
        if evidence.lacking:
            return Judged(replace(finding, reason=evidence.lacking))
        if finding.margin is None:
            reason = "no margin is declared for it" + (f"; {evidence.silent}" if evidence.silent else "")
            return Judged(replace(finding, verdict=None, reason=reason))
        same = not finding.causes
        judgement = decide(evidence, finding.better, finding.margin, same_environment=same, alpha=self.alpha)
        if judgement.verdict in (Verdict.REGRESSED, Verdict.IMPROVED) and (why := unproven(claim)):
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


def incomparable(finding: Finding, changed: Sequence[Difference]) -> Finding:
    """A finding whose sides mean different things."""
    names = list(dict.fromkeys(d.field for d in changed))
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    reason = f"the protocols differ in {', '.join(names[:NAMED])}{rest}"
    return replace(finding, verdict=Verdict.INCOMPARABLE, reason=reason, differences=tuple(changed), p=None)
