"""Ratings of the images by people, and how reliable they are."""

from __future__ import annotations

from collections.abc import Iterator

from harness.compare.wording import clean, counted
from harness.report.html.context import Context
from harness.report.html.parts import Block, Cell, Listing, Section, Table
from harness.review import TAGS, summary
from harness.review.agreement import Correlation
from harness.review.summary import Summary, SystemSummary

MOST_REMARKS = 40
TITLE = "Expert review"


def ratings(context: Context) -> Section | None:
    """Show systems next to real images, agreement, and which metric ranks as people do; None without ratings."""
    found = summary.read(context.folder)
    if found is None:
        return None
    if found.run != context.run.id:
        line = f"{summary.FILE} is of run {found.run}, not of this one: it is not shown."
        return Section("ratings", TITLE, (Listing("Ratings of another run", (line,)),))
    mixed = "; real images were among them" if any(s.control for s in found.systems) else ""
    lead = (
        f"{counted(len(found.reviewers), 'rater')} judged {counted(found.images, 'image')} without knowing what made "
        f"them, from 1, the worst, to 5{mixed}. Each rating is centred on its rater's mean; intervals are of 90 %."
    )
    return Section("ratings", TITLE, tuple(_blocks(found)), lead)


def _blocks(found: Summary) -> Iterator[Block]:
    if caveats := summary.caveats(found):
        yield Listing("How far this goes", tuple(caveats))
    yield _scores(found)
    if any(s.below_real for s in found.systems):
        yield _below(found)
    yield _flaws(found)
    yield _agreement(found)
    yield _raters(found)
    for over in ("systems", "images"):
        if rows := [c for c in found.correlations if c.over == over]:
            yield _correlations(found, rows, over)
    if found.remarks:
        told = [f"{r.rater} on {r.system}, {r.label or r.item}: {r.text}" for r in found.remarks]
        left = f"and {len(told) - MOST_REMARKS} more, in {summary.FILE}"
        lines = [clean(line) for line in told[:MOST_REMARKS]] + ([left] if len(told) > MOST_REMARKS else [])
        yield Listing("Remarks", tuple(lines))


def _scores(found: Summary) -> Table:
    columns = (
        "system",
        *(summary.TITLES[s].lower() for s in found.scales),
        "would train on it",
        "images",
        "ratings",
    )
    rows = []
    for system in found.systems:
        cells = [
            Cell(
                summary.level_text(level),
                level.mean,
                note=summary.unit_text(level),
                heat=(level.mean - 1) / 4,
            )
            for level in (system.scores[s] for s in found.scales)
        ]
        train = Cell(
            f"{system.train['yes']:.0%}", system.train["yes"], note=f"unsure {system.train['unsure']:.0%}"
        )
        counts = [Cell(f"{n:,}", n) for n in (system.images, system.ratings)]
        rows.append((_name(system), *cells, train, *counts))
    return Table("Mean ratings by system", columns, tuple(rows), frozenset(range(1, len(columns))))


def _below(found: Summary) -> Table:
    columns = ("system", *(summary.TITLES[s].lower() for s in found.scales))
    rows = tuple(
        (
            _name(system),
            *(
                Cell(summary.level_text(level), level.mean, note=summary.unit_text(level))
                for level in (system.below_real[s] for s in found.scales)
            ),
        )
        for system in found.systems
        if system.below_real
    )
    caption = "Points below real images, as the same people rated them (0: rated as real ones are, negative: better)"
    return Table(caption, columns, rows, frozenset(range(1, len(columns))))


def _flaws(found: Summary) -> Table:
    columns = ("system", *(tag.title for tag in TAGS))
    rows = tuple(
        (
            _name(s),
            *(Cell(f"{share:.0%}", share, heat=share) for share in (s.artefacts[t.name] for t in TAGS)),
        )
        for s in found.systems
    )
    return Table(
        "Flaws: share of the ratings that name each", columns, rows, frozenset(range(1, len(columns)))
    )


def _agreement(found: Summary) -> Table:
    rows = []
    for scale in found.scales:
        alpha, own = found.agreement[scale], found.consistency[scale]
        rows.append(
            (
                Cell(summary.TITLES[scale]),
                Cell(summary.alpha_text(alpha), None if alpha is None else alpha.alpha),
                Cell("" if alpha is None else f"{alpha.units:,}", None if alpha is None else alpha.units),
                Cell(summary.consistency_text(own), None if own is None else own.exact),
            )
        )
    caption = (
        "Agreement: Krippendorff's α between raters (1: they agree, 0: as by chance), and of raters with "
        "themselves"
    )
    columns = ("scale", "α", "images with two raters", "the same image again")
    return Table(caption, columns, tuple(rows), frozenset({1, 2}))


def _raters(found: Summary) -> Table:
    rows = tuple(
        (
            Cell(clean(r.name)),
            Cell(f"{r.ratings:,}", r.ratings),
            Cell(f"{r.share:.0%}", r.share),
            Cell(f"{r.minutes:.0f}", r.minutes),
            Cell(summary.consistency_text(r.consistency)),
        )
        for r in found.reviewers
    )
    columns = ("rater", "ratings", "share of the page", "minutes", "with themselves, over all scales")
    return Table("Raters", columns, rows, frozenset({1, 2, 3}))


def _correlations(found: Summary, given: list[Correlation], over: str) -> Table:
    by_field: dict[tuple[str, str, str], dict[str, Correlation]] = {}
    for c in given:
        by_field.setdefault((c.metric, c.field, c.better), {})[c.scale] = c
    rows = []
    for (metric, field, better), of_scale in by_field.items():
        n = next(iter(of_scale.values())).n
        cells = [_rho(of_scale.get(scale)) for scale in found.scales]
        rows.append((Cell(f"{metric}.{field}"), Cell(better), *cells, Cell(f"{n:,}", n)))
    caption = (
        f"Which metric ranks {over} as people do: Spearman's ρ with the mean ratings (where lower is better, "
        "agreement is negative)"
    )
    columns = ("metric", "better", *(summary.TITLES[s].lower() for s in found.scales), over)
    return Table(caption, columns, tuple(rows), frozenset(range(2, len(columns))))


def _rho(given: Correlation | None) -> Cell:
    if given is None or given.rho is None:
        return Cell("–", note="" if given is None else "one side is constant")
    agrees = given.rho if given.better == "higher" else -given.rho
    note = "" if given.low is None else f"[{given.low:+.2f}, {given.high:+.2f}]"
    return Cell(f"{round(given.rho, 2) + 0.0:+.2f}", given.rho, note=note, heat=max(agrees, 0.0))


def _name(system: SystemSummary) -> Cell:
    return Cell(clean(system.name), note="mixed in, labelled nowhere" if system.control else "")
