"""The first screen of a report: outcome, size and certainty of the changes, the baseline, and what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.artifact import Json
from harness.compare import Finding, Verdict, wording
from harness.compare.answers import answered, answers
from harness.compare.differences import protocol_id, suite_id
from harness.compare.outcome import outcome
from harness.formats.strict_json import canonical
from harness.report.finding_text import confidence, look
from harness.report.html.context import TONES, Context
from harness.report.html.frame import fragment
from harness.store.record import Run

WORST = 8
"""Maximum number of gated findings on the first screen; the section below has all."""

ANSWERS = 8
"""Maximum number of points of a sweep that get a sentence on the first screen."""

NAMED = 3
"""Maximum number of differences and failures named on the first screen."""

LINE = 120
"""Maximum number of characters of a line on the first screen."""

ID = 12
"""Number of digits shown of a hash."""


@dataclass(frozen=True)
class Row:
    """A gated finding on the first screen."""

    finding: Finding
    tone: str
    place: str
    shown: wording.Figures


def top(context: Context) -> Markup:
    """Render the banner, its details and the strip with the provenance."""
    comparison = context.comparison
    result = outcome(comparison)
    gated = _headlines([f for f in wording.worst_first(comparison.findings) if f.gated], context.run)
    judged = gated if comparison.baseline else [f for f in gated if f.against is not None]
    judged, folded = wording.folded(judged)
    return fragment(
        "top.html.jinja",
        about=context.run.about,
        tone=TONES[result.word],
        outcome=result,
        note=comparison.note,
        answer=answered(answers(comparison.findings, context.run))[:ANSWERS],
        rows=[_row(f) for f in judged[:WORST]],
        more=len(judged) - WORST,
        folded=folded,
        measured=[] if comparison.baseline else _measured(gated),
        interval=f"{confidence(gated)} interval",
        sure=[*_sure(gated), *filter(None, [look(comparison)])],
        since=list(_since(context)),
        changed=list(_changed(context)),
        failures=[(wording.label(t), wording.first_line(t.error)) for t in comparison.failures[:NAMED]],
        protocol=list(dict.fromkeys(str(d) for f in gated for d in f.differences))[:NAMED],
        strip=list(_strip(context)),
    )


def _headlines(gated: Sequence[Finding], run: Run) -> list[Finding]:
    """Sort findings worst first.

    If not all fit, the unchanged ones are interleaved by metric: the first field of every metric comes before the
    second field of any. So many checks of one thing do not hide the rest.
    """
    if len(gated) <= WORST:
        return list(gated)
    calm = [f for f in gated if f.verdict is Verdict.UNCHANGED]
    seen: Counter[str] = Counter()
    turns = []
    for finding in sorted(calm, key=lambda f: _nth_field(f, run)):
        turns.append((seen[finding.metric], finding))
        seen[finding.metric] += 1
    turns.sort(key=lambda turn: turn[0])
    rest = [f for f in gated if f.verdict is not Verdict.UNCHANGED]
    improved = [f for f in rest if f.verdict is Verdict.IMPROVED]
    return [*rest[: len(rest) - len(improved)], *(f for _, f in turns), *improved]


def _nth_field(finding: Finding, run: Run) -> int:
    info = run.metrics.get(finding.metric)
    fields = list(info.fields) if info else []
    return fields.index(finding.field) if finding.field in fields else len(fields)


def _row(finding: Finding) -> Row:
    tone = TONES[finding.verdict] if finding.verdict else "quiet"
    return Row(finding, tone, wording.place(finding), wording.figures(finding))


def _measured(gated: Sequence[Finding]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return the gates that have no baseline yet: name, place, and what was measured."""
    waiting = [f for f in gated if f.against is None]
    return [(f.name, wording.place(f), wording.measured(f)) for f in waiting[:WORST]]


def _sure(gated: list[Finding]) -> Iterator[str]:
    """Yield what the intervals are based on, and what the verdicts are about."""
    estimates = [f.estimate for f in gated if f.estimate]
    if estimates:
        behind = list(dict.fromkeys(wording.repeats(e) for e in estimates if e.unit in ("seeds", "items")))
        exact = all(e.unit == "exact" for e in estimates)
        if behind:
            yield f"{confidence(gated)} intervals over {wording.listed(behind, 2)}"
        else:
            yield "exact values" if exact else "one value a side"
    if claims := wording.claims(gated):
        yield f"verdicts are {claims}"
    if cached := wording.cached(gated):
        yield cached
    for f in gated:
        if needed := wording.evidence(f):
            yield f"{f.name}: {needed}"
            return


def _since(context: Context) -> Iterator[str]:
    """Yield the baseline's name, age, reason of acceptance, and place of origin."""
    if context.comparison.baseline is None:
        yield "no baseline yet"
        return
    yield wording.clean(f"baseline {wording.against(context.run, context.comparison)}", most=2 * LINE)
    if context.baseline and (commit := context.baseline.run.provenance.get("commit")):
        yield f"commit {str(commit)[:ID]}"
    if len(context.history) > 1:
        yield f"{len(context.history)} accepted so far under this label"


def _changed(context: Context) -> Iterator[str]:
    """Yield the differences between the two sides, those closest to the figures first."""
    if context.baseline is None:
        return
    told = [*map(str, context.changes)]
    told += dict.fromkeys(str(c) for f in context.comparison.findings for c in f.causes)
    yield from (wording.clean(line, most=LINE) for line in told[:NAMED])
    if len(told) > NAMED:
        yield f"and {len(told) - NAMED} more fields"
    ours, theirs = (r.provenance.get("commit") for r in (context.run, context.baseline.run))
    moved = bool(ours and theirs and ours != theirs)
    if moved:
        yield f"commit {str(theirs)[:ID]} → {str(ours)[:ID]}"
    if context.run.provenance.get("dirty"):
        yield "changes that were not committed"
    elif not told and not moved:
        yield "nothing that the record knows of"


def _strip(context: Context) -> Iterator[tuple[str, str]]:
    """Yield the provenance as (name, value), without what the record lacks."""
    run = context.run
    environment = run.environments[run.environment]
    commit = str(run.provenance.get("commit") or "")[:ID]
    dirty = " with uncommitted changes" if run.provenance.get("dirty") else ""
    cached = sum(t.state == "cached" for t in run.tasks)
    told = (
        ("run", run.id),
        ("started", run.started.partition("+")[0].replace("T", " ")),
        ("commit", commit + dirty),
        ("image", str(environment.get("image") or environment.get("image_config") or "")),
        ("hardware", _hardware(environment)),
        ("driver", str(environment.get("driver") or "")),
        ("suite", _beside(run, context, suite_id)),
        ("protocol", _beside(run, context, protocol_id)),
        ("tasks", f"{len(run.tasks):,}, {cached:,} cached" if run.tasks else ""),
        ("only", canonical(run.only) if run.only else ""),
        ("store", _gone(context)),
    )
    yield from ((name, value) for name, value in told if value)


def _beside(run: Run, context: Context, identity: Callable[[Run], str]) -> str:
    """Return an identity, and whether the baseline has the same."""
    ours = identity(run)
    if context.baseline is None:
        return ours
    theirs = identity(context.baseline.run)
    return f"{ours}, as the baseline" if ours == theirs else f"{ours}, the baseline {theirs}"


def _hardware(environment: Mapping[str, Json]) -> str:
    gpu, gpus = environment.get("gpu"), environment.get("gpus")
    if gpu:
        return f"{gpus} × {gpu}" if isinstance(gpus, int) and gpus > 1 else str(gpu)
    cores = environment.get("cores")
    return f"{environment.get('cpu') or ''}{f', {cores} cores' if cores else ''}"


def _gone(context: Context) -> str:
    """Say how much of the run the store no longer has; empty if it has everything."""
    done = {t.key for t in context.run.tasks if t.state in ("executed", "cached")}
    gone = sum(not context.store.folder(key).is_dir() for key in done)
    return f"{gone:,} of {len(done):,} artifacts are gone: what would show them is left out" if gone else ""
