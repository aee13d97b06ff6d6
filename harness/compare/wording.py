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
from harness.compare import Comparison, Estimate, Finding, Point, Verdict
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


def folded(findings: Sequence[Finding]) -> tuple[list[Finding], str]:
    """The findings without those that are *unchanged* from equal bytes, and a sentence about these, if several are."""
    unchanged = [f for f in findings if f.verdict is Verdict.UNCHANGED]
    calm = [f for f in unchanged if f.estimate is not None and f.estimate.unit == "exact"]
    if len(calm) < 2:
        return list(findings), ""
    places = (f" ({place(f)})" if f.at else "" for f in calm)
    names = listed([f"{f.name}{at} {figures(f).candidate}" for f, at in zip(calm, places, strict=True)], 6)
    return [
        f for f in findings if f not in calm
    ], f"{len(calm):,} gates are unchanged, from equal bytes: {names}"


def cached(findings: Iterable[Finding]) -> str:
    """How many verdicts are of work that came wholly from the cache; empty if none is."""
    found = [f for f in findings if f.estimate is not None]
    late = sum(not f.executed for f in found)
    if not late:
        return ""
    which = "all of these" if late == len(found) else f"{late:,} of {len(found):,}"
    return f"not re-executed, all from the cache: {which}"


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
