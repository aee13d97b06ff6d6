"""What a finding is about: which random stages were repeated, and what one run of another cannot prove."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from harness.artifact import Json
from harness.compare import Claim
from harness.compare.match import Pair
from harness.compare.sample import LEAST, read_the_same, seeds_of
from harness.store.record import MetricInfo, Repeat, Score, Subject


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
    once |= {n: seed for n in subject.repeated if (seed := _too_few(pairs, ours.seeds, n))}
    idle = [n for n in subject.repeated if n not in once and chances.repeats_nothing(n)]
    repeated = tuple(n for n in subject.repeated if n not in once and n not in idle)
    several = [n for n in once if chances.ran_several_times(n)]
    own = {seed.rpartition(".")[0] for seed in ours.seeds}
    # With a fixed seed it comes out differently because what it takes does; with too few seeds, also by its own chance.
    may_be = [n for n in (*once, *idle) if n not in several or n in own]
    anew = tuple(n for n in may_be if chances.is_anew(n))
    learnt = {*subject.learnt, *theirs.subject.learnt}
    parts = [f"the recipe of {named(repeated)}"] if repeated else []
    for n in once:
        word = "training" if n in learnt else "run"
        parts.append(f"too few seeds of `{n}`" if n in several else _once(n, word, two=chances.are_two(n)))
    parts += [f"the one output of `{n}`, whose seeds gave the same bytes" for n in idle]
    text = ", ".join(parts) or subject.fixed
    if not repeated and not idle and ours.seeds:
        swept = dict.fromkeys(s.partition(".")[0] for s in ours.seeds)
        text += f" (only {named(swept)} was repeated)"
    return Claim(text, repeated, once, anew)


def beside(pairs: Sequence[Pair], claim: Claim, *, gated: bool) -> Iterator[str]:
    """Notes about random stages to show next to a verdict, one sentence each."""
    chances = _Chances(pairs)
    if gated:
        several = {n: seed for n, seed in claim.once.items() if chances.ran_several_times(n)}
        once = {n: seed for n, seed in claim.once.items() if n not in several}
        yield from _left(once, "was run once", "were run once")
        yield from _left(
            several, "was run with too few seeds of its own", "were run with too few seeds of their own"
        )
    for name in chances.names:
        if name not in claim.once and name not in claim.repeated and chances.is_anew(name):
            yield f"`{name}` was executed anew and came out differently: a likely cause, and not under test"


def planned(subject: Subject) -> str:
    """What a plan reports about a gate before anything runs; empty if every random stage is repeated."""
    once = {n: seed for n, seed in subject.once.items() if n not in subject.few}
    few = {n: seed for n, seed in subject.once.items() if n in subject.few}
    told = [
        *_left(once, "runs once", "run once"),
        *_left(few, "runs with too few seeds of its own", "run with too few seeds of their own"),
    ]
    return "; ".join(told)


def _too_few(pairs: Sequence[Pair], seeds: Sequence[str], name: str) -> str:
    """The seed of a stage if the repeats have too few values of it, and enough of another; else empty."""
    table = [dict(seeds_of(r)) for p in pairs for r in p.candidate.repeats]
    counts = {seed: len({row.get(seed) for row in table}) for seed in seeds}
    own = next((seed for seed in seeds if seed.rpartition(".")[0] == name), "")
    return own if own and counts[own] < LEAST <= max(counts.values()) else ""


def _left(once: Mapping[str, str], one: str, several: str) -> Iterator[str]:
    if once:
        yield left_to_chance(once, one, several)


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


def mixed(scores: Iterable[Score]) -> list[str]:
    """The stages behind scores of one run that were executed more than once with different results.

    Then some repeats rest on one execution and some on another, as after an artifact was lost and made again.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for score in scores:
        for repeat in score.repeats:
            for name, made in repeat.drawn.items():
                if made.content:
                    found.setdefault((name, made.key), set()).add(made.content)
    return sorted({name for (name, _), contents in found.items() if len(contents) > 1})


def mixture(names: Sequence[str], where: str) -> str:
    """Why nothing can be claimed about repeats that rest on several executions of one recipe."""
    fresh = " ".join(f"--fresh {n}" for n in names)
    return (
        f"{where} rests on several executions of {named(names)}, which came out differently; "
        f"harness run {fresh} makes {'it' if len(names) == 1 else 'them'} anew"
    )


def same_subject(pairs: Sequence[Pair], subject: Json) -> bool:
    """Whether all of the subject before the metric gave the same bytes on both sides, in every shared repeat."""
    named = [n.partition(".")[0] for n in subject if isinstance(n, str)] if isinstance(subject, list) else []
    names = list(dict.fromkeys(named))
    checked = 0
    for pair in pairs:
        before = [n for n in names if f"{n}.use" in pair.candidate.settings]
        theirs = {seeds_of(r): r for r in pair.baseline.repeats}
        for repeat in pair.candidate.repeats:
            other = theirs.get(seeds_of(repeat))
            if other is None or not before:
                return False
            for n in before:
                ours, then = _output(repeat, n), _output(other, n)
                if not ours or ours != then:
                    return False
            checked += 1
    return checked > 0


def _output(repeat: Repeat, name: str) -> str:
    """Digest of what a stage of the subject left; empty if it is not known."""
    if name in repeat.tested:
        return repeat.tested[name]
    return repeat.drawn[name].content if name in repeat.drawn else ""


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

    def ran_several_times(self, name: str) -> bool:
        """Whether one of the sides ran it more than once at a point, though its seed repeats nothing."""
        scores = [s for p in self._pairs for s in (p.candidate, p.baseline)]
        return any(len(_made(score, name)) > 1 for score in scores)

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
