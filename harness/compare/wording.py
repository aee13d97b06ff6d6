"""How figures, points, verdicts and the outcome are put into words, the same in every report format.

There is no statistics here: a comparison's numbers are only rounded, ordered and named.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.artifact import Json
from harness.compare import Comparison, Estimate, Finding, Point, Proposal, Proposed, Verdict
from harness.compare.answers import PointAnswer
from harness.errors import Exit
from harness.formats.escapes import visible
from harness.formats.strict_json import canonical
from harness.store.record import Run, TaskInfo

DIGITS = 3
"""Significant digits, unless more are needed to distinguish two different numbers."""

FAR = 1000.0
"""A margin of this many times the change is written by itself: nobody can take one for the other."""

WORST_FIRST = (
    Verdict.REGRESSED,
    Verdict.INCOMPARABLE,
    Verdict.INCONCLUSIVE,
    Verdict.UNCHANGED,
    Verdict.IMPROVED,
)


def together(values: Sequence[float], *, scale: float | None = None) -> list[str]:
    """Numbers that are shown next to each other: equal decimals, three significant digits of the largest.

    More digits are shown until different numbers read differently and only zero reads as zero. Numbers that differ
    only by rounding (beyond the twelfth digit) count as equal. Whole numbers below a million stay whole.

    Args:
        values: finite or infinite.
        scale: the magnitude that gets the three digits; by default the largest of ``values``.
    """
    values = [float(f"{v:.12g}") + 0.0 for v in values]  # no negative zero
    if all(v.is_integer() and abs(v) < 1e6 for v in values):
        return [f"{v:.0f}" for v in values]
    sizes = [abs(v) for v in values if v and math.isfinite(v)]
    top = abs(scale) if scale else max(sizes, default=0.0)
    wide = bool(sizes) and max(sizes) > 1e4 * min(sizes)
    for digits in range(DIGITS, 18):
        texts = [_number(v, digits, top, wide) for v in values]
        telling = len(set(zip(values, texts, strict=True))) == len(set(texts))
        if telling and not any(
            v and math.isfinite(v) and float(t) == 0 for v, t in zip(values, texts, strict=True)
        ):
            return texts
    return [repr(v) for v in values]


def _number(value: float, digits: int, top: float, wide: bool) -> str:
    """``wide``: the numbers next to it span so many magnitudes that equal decimals would be mostly zeros."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if top == 0:
        return "0"
    if top >= 1e6 or top < 1e-4:
        return f"{value:.{digits - 1}e}" if value else "0"
    if wide:
        return f"{value:.{digits}g}"
    return f"{value:.{max(digits - 1 - math.floor(math.log10(top)), 0)}f}"


def number(value: float) -> str:
    """One number alone, three significant digits."""
    return together([value])[0]


@dataclass(frozen=True)
class Figures:
    """What a row about one finding shows; empty texts are not shown."""

    baseline: str = ""
    candidate: str = ""
    change: str = ""
    interval: str = ""
    margin: str = ""
    repeats: str = ""
    sees: str = ""
    """The smallest change that the gate can see: ``"sees 0.05"``."""


def figures(finding: Finding) -> Figures:
    """A finding's numbers. The interval has enough digits to be distinguished from the margin and from zero."""
    estimate, margin = finding.estimate, finding.margin
    if estimate is None:
        return Figures(margin="" if margin is None else number(margin))
    baseline, candidate = together([estimate.baseline, estimate.candidate])
    ends = [] if estimate.low is None or estimate.high is None else [estimate.low, estimate.high]
    scale = max((abs(v) for v in (estimate.change, *ends) if math.isfinite(v)), default=0.0)
    is_near = margin is not None and margin < FAR * scale
    bounds = [margin, -margin] if margin is not None and (is_near or not scale) else []
    change, *spelled = together([estimate.change, *ends, *bounds], scale=scale)
    interval = f"[{spelled[0]}, {spelled[1]}]" if ends else ""
    return Figures(
        baseline,
        candidate,
        f"+{change}" if estimate.change > 0 else change,
        "exact" if estimate.unit == "exact" else interval,
        spelled[len(ends)] if bounds else "" if margin is None else number(margin),
        repeats(estimate),
        "" if finding.sees is None else f"sees {number(finding.sees)}",
    )


def measured(finding: Finding) -> tuple[str, str, str, str, str]:
    """What a gate without a baseline shows: mean, deviation of one repeat, margin, what it could see, and repeats."""
    found = finding.measured
    if found is None:
        return "", "", "" if finding.margin is None else number(finding.margin), "", finding.reason
    values = [v for v in (found.mean, found.deviation, finding.margin, finding.sees) if v is not None]
    texts = iter(together(values))
    mean, deviation, bound, visible = (
        "" if v is None else next(texts) for v in (found.mean, found.deviation, finding.margin, finding.sees)
    )
    unit = "value" if found.unit == "one" else found.unit.removesuffix("s")
    return mean, deviation, bound, visible, counted(found.repeats, unit)


def margin(shown: Figures) -> str:
    """``"0.02 (sees 0.05)"``; empty if there is no margin."""
    return f"{shown.margin} ({shown.sees})" if shown.margin and shown.sees else shown.margin


def beside(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Notes to show next to the verdicts: the metrics that a note is about, and the note, without duplicates."""
    named: dict[str, dict[str, None]] = {}
    for f in findings:
        for sentence in f.beside:
            named.setdefault(sentence, {})[f.name] = None
    return [(listed(list(names), 3), sentence) for sentence, names in named.items()]


def repeats(estimate: Estimate) -> str:
    """``"5 paired seeds"``; ``"exact"`` for equal bytes, ``"one value"`` if nothing was repeated."""
    if estimate.unit in ("exact", "one"):
        return "exact" if estimate.unit == "exact" else "one value"
    unit = estimate.unit.removesuffix("s") if estimate.repeats == 1 else estimate.unit
    return f"{estimate.repeats} {'paired ' if estimate.paired else ''}{unit}"


def point(at: Mapping[str, Json]) -> str:
    """``"scheduler=pndm, steps=50"``; a field is shown with its node if two fields of the point have the same name."""
    short = Counter(field.rpartition(".")[2] for field in at)
    names = {field: field.rpartition(".")[2] for field in at}
    return ", ".join(
        f"{names[f] if short[names[f]] == 1 else f}={v if isinstance(v, str) else canonical(v)}"
        for f, v in at.items()
    )


def place(finding: Finding) -> str:
    """The point of a finding, or the points it is the mean over, or nothing; shown next to its name."""
    if finding.at:
        return point(finding.at)
    return f"mean over {finding.points} points" if finding.points > 1 else ""


def label(item: Finding | Point | TaskInfo) -> str:
    """Name and point of a finding, a score or a task, on one line."""
    match item:
        case Finding():
            parts = (place(item), "" if item.against is None else "against the reference")
            name, where = item.name, ", ".join(filter(None, parts))
        case Point():
            name, where = item.metric, point(item.point)
        case TaskInfo():
            name, where = item.node, point({**item.point, **item.seeds})
    return f"{name} ({where})" if where else name


def evidence(finding: Finding) -> str:
    """What an inconclusive finding could have shown and what would decide it; empty if neither is known."""
    parts = []
    if finding.detectable is not None:
        parts.append(f"smallest effect that these repeats could have shown: {number(finding.detectable)}")
    if finding.more_repeats is not None:
        parts.append(f"{counted(finding.more_repeats, 'more repeat')} needed")
    return "; ".join(parts)


def listed(names: Sequence[str], most: int) -> str:
    """The first ``most`` names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def first_line(error: str | None) -> str:
    """The first line of an error; the log follows it."""
    return (error or "no message").strip().partition("\n")[0]


def counted(n: int, word: str) -> str:
    """``"1 task"``, ``"2,000 tasks"``."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def tally(findings: Iterable[Finding]) -> str:
    """``"1 regressed, 2 unchanged"``, worst first."""
    counts = Counter(f.verdict for f in findings)
    told = [f"{counts[v]:,} {v}" for v in WORST_FIRST if counts[v]]
    return ", ".join([*told, *([f"{counts[None]:,} not judged"] if counts[None] else [])])


def claims(findings: Iterable[Finding]) -> str:
    """What the verdicts are about: ``"about the recipe of `model`"``, with the metrics' names where they differ.

    A finding without an estimate is not included.
    """
    names: dict[str, list[str]] = {}
    for f in findings:
        if f.gated and f.claim is not None:
            names.setdefault(f.claim.text, []).append(f.name)
    told = {about: listed(list(dict.fromkeys(of)), 3) for about, of in sorted(names.items())}
    return "; ".join(f"about {about}" + (f": {of}" if len(told) > 1 else "") for about, of in told.items())


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Gated findings before the rest, by verdict, then by change in units of the margin; names break ties."""

    def key(f: Finding) -> tuple[bool, int, float, str, str]:
        rank = len(WORST_FIRST) if f.verdict is None else WORST_FIRST.index(f.verdict)
        return (not f.gated, rank, -_worse(f), f.name, canonical(f.at))

    return sorted(findings, key=key)


def _worse(finding: Finding) -> float:
    if finding.estimate is None:
        return 0.0
    change = finding.estimate.change * (1 if finding.better == "lower" else -1)
    return change / (finding.margin or abs(finding.estimate.baseline) or 1.0)


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


def against(run: Run, comparison: Comparison) -> str:
    """``"cpu, accepted 3 days before this run (reason)"``; empty if there is no baseline."""
    if comparison.baseline is None:
        return ""
    accepted = comparison.accepted
    if accepted is None:
        return comparison.baseline
    label = "" if accepted.label == comparison.baseline else f" [{accepted.label}]"
    return f"{comparison.baseline}{label}, accepted {_age(accepted.at, run.started)} ({accepted.reason})"


def _age(accepted: str, started: str) -> str:
    try:
        then, now = (datetime.fromisoformat(t) for t in (accepted, started))
    except ValueError:
        return accepted
    then, now = (t if t.tzinfo else t.replace(tzinfo=UTC) for t in (then, now))
    days = (now - then).days
    return f"{counted(days, 'day')} before this run" if days > 0 else then.date().isoformat()


def clean(text: str, *, lines: bool = False, most: int = 500) -> str:
    """Make text from outside safe for a terminal and for XML: control characters are shown as by ``escapes.visible``.

    Line ends and tabs become spaces; with ``lines``, line ends stay. Text of more than ``most`` characters is visibly
    cut.
    """
    text = text if len(text) <= most else text[: most - 1] + "…"
    text = text.replace("\r\n", "\n").replace("\t", " ")
    text = visible(text if lines else text.replace("\n", " "), lines=lines)
    return text if len(text) <= most else text[: most - 1] + "…"


def uncompared(run: Run, comparison: Comparison) -> list[tuple[str, Mapping[str, Json], list[float]]]:
    """Values that no finding compares: (``metric.field``, point, one value per repeat)."""
    compared = {f.name for f in comparison.findings if f.estimate}
    new = {(p.metric, canonical(p.point)) for p in comparison.new}
    return [
        (f"{s.metric}.{name}", s.point, [r.values[name] for r in s.repeats if r.values])
        for s in run.scores
        if any(r.values for r in s.repeats)
        for name in run.metrics[s.metric].fields
        if f"{s.metric}.{name}" not in compared or (s.metric, canonical(s.point)) in new
    ]
