"""The record behind the page: metrics, stages, sources, environment, and the commands that go on from the run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from harness.artifact import Json
from harness.compare import Verdict, wording
from harness.compare.differences import merged
from harness.compare.wording import worst_first
from harness.formats.strict_json import canonical
from harness.report.facts import HISTORY, summary
from harness.report.finding_text import more_evidence
from harness.report.html.context import Context
from harness.report.html.parts import Cell, Listing, Section, Table, Tone
from harness.report.html.sections.verdicts import side_cell
from harness.report.markdown import cell_text, detail_table
from harness.store.environment import device_class
from harness.store.record import Repeat, Score

ROWS = 100
SCORES = 12
"""Maximum number of scores whose details are shown; the worst metrics come first."""

LONGEST = 300
"""Maximum number of characters shown of a value."""

DRAWN = {"confusion": {"confusion", "per_class"}, "checks": {"checks", "failing", "per_class", "scores"}}
"""A detail that has a section of its own → what that section shows."""

STATES: dict[str, Tone] = {
    "failed": "regressed",
    "skipped": "inconclusive",
    "executed": "",
    "cached": "quiet",
}
"""Fields of a task, in the order in which they are listed."""


def details(context: Context) -> Section | None:
    """Show the details of metrics, from the first repeat of each score; None if there are none."""
    findings = wording.worst_first(context.comparison.findings)
    rank = {f.metric: i for i, f in reversed(list(enumerate(findings)))}
    scores = sorted(context.run.scores, key=lambda s: rank.get(s.metric, len(rank)))
    told = [(s, r) for s in scores if (r := next((r for r in s.repeats if _shown_here(r)), None))]
    blocks = tuple(t for score, repeat in told[:SCORES] for t in _told(score, repeat))
    rest = len(told) - SCORES
    lead = f"Of {wording.counted(rest, 'more score')} in run.json." if rest > 0 else ""
    return Section("details", "What the metrics say", blocks, lead, folded=True) if blocks else None


def _shown_here(repeat: Repeat) -> dict[str, Json]:
    """Return the non-empty details that no other section shows."""
    drawn = {name for detail, names in DRAWN.items() if detail in repeat.details for name in names}
    return {k: v for k, v in repeat.details.items() if k not in drawn and v not in ([], {})}


def _told(score: Score, repeat: Repeat) -> Iterator[Table]:
    """Yield one table of the single values, and one for each detail that is itself a table."""
    where = ", ".join(filter(None, (wording.point(score.point), wording.point(repeat.seeds))))
    of = f"{score.metric} ({where})" if where else score.metric
    plain: list[tuple[str, str]] = []
    tables: list[Table] = []
    for name, value in _shown_here(repeat).items():
        columns, rows = detail_table(value)
        told = name.replace("_", " ")
        if columns == ["value"]:
            plain.append((told, ", ".join(cell_text(c) for row in rows for c in row)))
        elif columns == ["", "value"]:
            plain += [(f"{told}: {key}", cell_text(c)) for key, c in rows]
        else:
            tables.append(_table(f"{told} of {of}", columns, rows))
    if plain:
        cells = tuple((Cell(name), Cell(_short(text))) for name, text in plain[:ROWS])
        yield Table(of, ("said", "value"), cells, left_out=max(len(plain) - ROWS, 0))
    yield from tables


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Json]]) -> Table:
    """Turn a detail into a table; columns of numbers are sorted numerically."""
    cells = tuple(tuple(Cell(_short(cell_text(c)), number_of(c)) for c in row) for row in rows[:ROWS])
    numeric = frozenset(
        i for i in range(len(columns)) if any(row[i].sort is not None for row in cells if i < len(row))
    )
    return Table(title, tuple(columns), cells, numeric, max(len(rows) - ROWS, 0))


def number_of(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def record(context: Context) -> Section:
    """Show facts, tasks, sources and environment."""
    blocks = (*_facts(context), *_tasks(context), *_sources(context), _environment(context))
    return Section("record", "Record", blocks, folded=True)


def _facts(context: Context) -> Iterator[Table]:
    seen = dict.fromkeys(
        (t.node, name, summary(value) if name.rpartition(".")[2] == HISTORY else cell_text(value))
        for t in context.run.tasks
        for name, value in t.facts.items()
    )
    if seen:
        rows = tuple(
            (Cell(node), Cell(name), Cell(_short(value))) for node, name, value in list(seen)[: 2 * ROWS]
        )
        left_out = max(len(seen) - 2 * ROWS, 0)
        yield Table(
            "What the stages say of what they made", ("stage", "fact", "value"), rows, left_out=left_out
        )


def _tasks(context: Context) -> Iterator[Table]:
    order = list(STATES)
    tasks = sorted(context.run.tasks, key=lambda t: (order.index(t.state), -t.wall_s))
    if tasks:
        rows = tuple(
            (Cell(wording.label(t)), Cell(t.state, tone=STATES[t.state]), Cell(f"{t.wall_s:.1f}", t.wall_s))
            for t in tasks[:ROWS]
        )
        left_out = max(len(tasks) - ROWS, 0)
        yield Table("Tasks", ("task", "state", "s"), rows, frozenset({2}), left_out)


def _sources(context: Context) -> Iterator[Table]:
    if context.run.sources:
        columns = tuple(dict.fromkeys(name for source in context.run.sources for name in source))
        rows = tuple(
            tuple(Cell(_short(cell_text(s.get(c, "")))) for c in columns) for s in context.run.sources[:ROWS]
        )
        left_out = max(len(context.run.sources) - ROWS, 0)
        yield Table("Where data and weights came from", columns, rows, left_out=left_out)


def _environment(context: Context) -> Table:
    """Make a table of the environment behind the scores, next to the baseline's."""
    run, baseline = context.run, context.baseline.run if context.baseline else None
    ours = {**merged(run.environments.values()), **run.provenance}
    theirs = {} if baseline is None else {**merged(baseline.environments.values()), **baseline.provenance}
    rows = tuple(
        (
            Cell(name, note="differs" if differs else ""),
            *((side_cell(_text(theirs.get(name))),) if baseline else ()),
            side_cell(_text(ours.get(name))),
        )
        for name in dict.fromkeys((*ours, *theirs))
        for differs in [bool(baseline) and canonical(ours.get(name)) != canonical(theirs.get(name))]
    )
    columns = ("field", *(("baseline",) if baseline else ()), "this run")
    return Table("Environment and provenance", columns, rows)


def _text(value: Json) -> str | None:
    return None if value is None else _short(cell_text(value))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def commands(context: Context) -> Section:
    """Show the commands that fit this run's verdict."""
    blocks = [Listing(title, lines, preformatted=True) for title, lines in _asked(context)]
    return Section("commands", "Commands", tuple(blocks))


def _asked(context: Context) -> Iterator[tuple[str, tuple[str, ...]]]:
    run, comparison = context.run, context.comparison
    yield "Reproduce this run", tuple(_reproduce(context))
    named = named_run(context)
    if run.is_complete:
        yield "Accept it as the baseline", (f"harness accept {named}{_label(context)} --reason '…'",)
    gated = [f for f in worst_first(comparison.findings) if f.gated]
    judged = list(dict.fromkeys(f.name for f in gated if f.estimate and f.verdict is not Verdict.UNCHANGED))
    if judged and comparison.baseline is not None:
        yield (
            "See the items that moved a metric most",
            tuple(f"harness explain {named} {shlex.quote(name)}" for name in judged[:3]),
        )
    if changes := _commits(context):
        yield "See what was committed since the baseline", (changes,)
    if more := more_evidence(run, comparison):
        yield "Decide what is inconclusive", more
    if comparison.accepted is not None:
        yield (
            "See what was accepted before",
            (f"harness history {shlex.quote(run.suite)} --label {shlex.quote(comparison.accepted.label)}",),
        )


def named_run(context: Context) -> str:
    """Return the name of the run for commands: its id if it is in the project's reports, else its folder."""
    run = context.run
    place = ("reports", *run.suite.split("/"), run.id)
    is_found_by_id = context.folder.absolute().parts[-len(place) :] == place
    return run.id if is_found_by_id else shlex.quote(str(context.folder))


def _commits(context: Context) -> str:
    """Return the command that lists the commits between the two sides; empty if there are none."""
    if context.baseline is None:
        return ""
    theirs, ours = (r.provenance.get("commit") for r in (context.baseline.run, context.run))
    return f"git log --oneline {theirs}..{ours}" if theirs and ours and theirs != ours else ""


def _label(context: Context) -> str:
    """Return the option to accept under the label it was compared with; empty if that is the default."""
    accepted, run = context.comparison.accepted, context.run
    usual = device_class(run.environments[run.environment])
    return "" if accepted is None or accepted.label == usual else f" --label {shlex.quote(accepted.label)}"


def _reproduce(context: Context) -> Iterator[str]:
    provenance, environment = context.run.provenance, context.run.environments[context.run.environment]
    if commit := provenance.get("commit"):
        yield f"git checkout {commit}" + (
            "   # and the changes that were not committed" if provenance.get("dirty") else ""
        )
    if image := environment.get("image") or environment.get("image_config"):
        yield f"# in the image {image}"
    command = provenance.get("command")
    words = [str(word) for word in command] if isinstance(command, list | tuple) else []
    yield shlex.join(words) if words else "# the record does not say how it was started"
