"""``harness history``: prints what was accepted for a suite, when, and which changes caused steps."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.compare import Comparison, Difference, Finding, verdict, wording
from harness.compare import baseline as baselines
from harness.compare.differences import suite_changes
from harness.compare.history import Step, read
from harness.compare.sample import NO_TIMING, Figure, lacks_timing
from harness.errors import Exit, UsageError, nearest
from harness.evaluation.suite_choice import suite_name
from harness.report import streams
from harness.report.console import ReportConsole
from harness.store.environment import device_class, environment
from harness.store.record import Run, Score


def main(o: Namespace) -> Exit:
    """``harness history``."""
    return history(o.suite, label=o.label, metric=o.metric, as_json=o.json)


def history(suite: str, *, label: str | None, metric: str | None, as_json: bool) -> Exit:
    """Print the history.

    Args:
        suite: name or file of the suite.
        label: label of the baseline; by default that of this device class.
        metric: ``metric`` or ``metric.field``; by default the gated fields.
        as_json: print all of it as JSON, for programs.

    Raises:
        UsageError: no such suite, label or metric.
    """
    home, name = suite_name(suite)
    label = label or device_class(environment())
    found = read(home, name, label)
    if not found.steps:
        raise UsageError(_nothing(home, name, label, found.notes))
    fields = _fields(found.steps, metric)
    entries = entries_of(found.steps)
    console = ReportConsole()
    if as_json:
        body = to_json(name, label, entries, fields, found.notes)
        streams.document(body)
        return Exit.OK
    print_history(console, name, label, entries, fields)
    for note in found.notes:
        streams.say(f"note: {note}")
    return Exit.OK


def entries_of(steps: Sequence[Step]) -> list[Entry]:
    """Return each step with its figures, compared with the step before by its own gates."""
    compared = [
        verdict.compare(after.side, before.side, after.run.gates, name=before.commit[:9] or before.run.id)
        for before, after in pairwise(steps)
    ]
    befores = [None, *steps[:-1]]
    return [
        Entry(step, {n: _figure(step, n) for n in _directed(step.run)}, comparison, _declared(step, before))
        for step, before, comparison in zip(steps, befores, [None, *compared], strict=True)
    ]


def _declared(step: Step, before: Step | None) -> tuple[Difference, ...]:
    told = {d.field for d in (*step.protocol, *step.settings)}
    changed = suite_changes(step.run, before.run) if before else ()
    return tuple(d for d in changed if d.field not in told)


def _figure(step: Step, name: str) -> Figure | None:
    metric, _, field = name.rpartition(".")
    return Figure.of(_scores(step, metric), field, step.side)


def _scores(step: Step, metric: str) -> list[Score]:
    return [s for s in step.run.scores if s.metric == metric]


def _directed(run: Run) -> list[str]:
    """Return every ``metric.field`` of a run that has a direction."""
    return [
        f"{metric}.{name}"
        for metric, info in run.metrics.items()
        for name, direction in info.fields.items()
        if direction
    ]


def _fields(steps: Sequence[Step], metric: str | None) -> list[str]:
    """Return the fields to show: the requested ones, else those that the last step gates."""
    known = list(dict.fromkeys(name for step in steps for name in _directed(step.run)))
    if metric is None:
        gated = dict.fromkeys(f"{g.metric}.{g.field}" for g in steps[-1].run.gates)
        return [name for name in gated if name in known] or known
    found = [name for name in known if metric in (name, name.rpartition(".")[0])]
    if not found:
        metrics = {name.rpartition(".")[0] for name in known}
        close = nearest(metric, [*known, *metrics])
        raise UsageError(f"--metric {metric}: no such metric with a direction in this history{close}")
    return found


def _nothing(home: Path, suite: str, label: str, notes: Sequence[str]) -> str:
    """Explain why there is no history, and name the nearest one that exists."""
    labels = baselines.labels(home, suite)
    if label in labels:
        return f"nothing that was accepted for {suite} as {label!r} can be read ({'; '.join(notes)})"
    if labels:
        known = f"; its labels are {', '.join(labels)}{nearest(label, labels)}"
    else:
        root = home / baselines.FOLDER
        suites = {p.parent.relative_to(root).as_posix() for p in root.glob("**/*.json")}
        known = nearest(suite, suites) or f"; there are {', '.join(sorted(suites)) or 'no baselines at all'}"
    why = f" ({'; '.join(notes)})" if notes else ""
    return f"nothing was accepted for {suite} as {label!r}{known}{why}"


SCHEMA = "harness.history/1"
CHANGES = 6
"""Maximum number of fields of a kind named for a step; the JSON has all."""
_DIGEST = re.compile(r"\b((?:sha256:)?[0-9a-f]{12})[0-9a-f]{28,52}\b")
"""A digest of content or a commit; twelve digits are enough to identify it."""
STYLES = {
    "regressed": "bold red",
    "improved": "green",
    "incomparable": "magenta",
    "inconclusive": "yellow",
}


@dataclass(frozen=True)
class Entry:
    """A step, its figures, and how it compares with the step before."""

    step: Step
    figures: Mapping[str, Figure | None]
    """``metric.field`` → figure; None if the step has no such score."""
    comparison: Comparison | None
    """Comparison with the previous step; None for the first."""
    declared: tuple[Difference, ...] = ()
    """Changes in the suite's declaration since then that affect no setting: seeds, axes."""

    def finding(self, name: str) -> Finding | None:
        """Return the finding on a field as a whole, not at one point of the matrix or against a reference."""
        found = self.comparison.findings if self.comparison else ()
        whole = [f for f in found if f.name == name and f.against is None]
        return next((f for f in whole if not f.at), whole[0] if whole else None)

    @property
    def date(self) -> str:
        accepted = self.step.run.accepted
        return accepted.at[:10] if accepted else ""


def print_history(
    console: Console, suite: str, label: str, entries: Sequence[Entry], names: Sequence[str]
) -> None:
    """Print a table per field, then what changed with each step."""
    for name in names:
        console.print(_table(name, entries))
        console.print()
    console.print(f"what was accepted for {suite} as {label}", markup=False, highlight=False, soft_wrap=True)
    for number, entry in enumerate(entries, 1):
        for n, line in enumerate(changes(entry)):
            shown = f"{number:>3}  {line}" if n == 0 else f"     {line}"
            console.print(shown, markup=False, highlight=False, soft_wrap=True)


def _table(name: str, entries: Sequence[Entry]) -> Table:
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        title=Text(f"{name} ({_better(entries, name)} is better)"),
        title_justify="left",
    )
    for column in ("", "accepted", "commit"):
        table.add_column(column)
    for column in ("mean", "90 % interval", "repeats"):
        table.add_column(column, justify="right")
    table.add_column("change from the one before", justify="right")
    table.add_column("verdict")
    known = [f for e in entries if (f := e.figures.get(name)) is not None]
    scale = max((abs(f.mean) for f in known), default=0.0)
    for number, entry in enumerate(entries, 1):
        table.add_row(
            str(number), entry.date, entry.step.commit[:9] or "(not committed)", *_cells(entry, name, scale)
        )
    return table


def _better(entries: Sequence[Entry], name: str) -> str:
    """Return the field's direction, as declared by the last step that has the field."""
    metric, _, field = name.rpartition(".")
    infos = [e.step.run.metrics[metric] for e in entries if metric in e.step.run.metrics]
    return next((str(d["better"]) for i in reversed(infos) if (d := i.fields.get(field))), "higher")


def _cells(entry: Entry, name: str, scale: float) -> list[Text]:
    figure, finding = entry.figures.get(name), entry.finding(name)
    if figure is None:
        untimed = lacks_timing(_scores(entry.step, name.rpartition(".")[0]), entry.step.side)
        return [Text(NO_TIMING if untimed else "–"), *[Text("")] * 4]
    low, high = figure.low, figure.high
    told = [wording.together([v], scale=scale)[0] for v in (figure.mean, low, high) if v is not None]
    unit = figure.unit if figure.repeats != 1 else figure.unit.removesuffix("s")
    repeats = "one value" if figure.unit == "one" else f"{figure.repeats:,} {unit}"
    change = wording.figures(finding) if finding else None
    word = (
        "" if entry.comparison is None else "new" if finding is None else str(finding.verdict or "not gated")
    )
    return [
        Text(told[0]),
        Text(f"[{told[1]}, {told[2]}]" if len(told) == 3 and low != high else ""),
        Text(repeats),
        Text(f"{change.change} {change.interval}".strip() if change else ""),
        Text(word, style=STYLES.get(word, "")),
    ]


def changes(entry: Entry) -> list[str]:
    """Describe a step: its reason, its commit, and every kind of change."""
    step = entry.step
    accepted = step.run.accepted
    reason = wording.clean(accepted.reason) if accepted else ""
    lines = [f"{entry.date}  {reason}"]
    if step.subject:
        lines.append(f"commit: {step.commit[:9]} {wording.clean(step.subject)}")
    for kind, found in (
        ("protocol", step.protocol),
        ("subject and settings", step.settings),
        ("suite", entry.declared),
        ("environment", step.environment),
    ):
        if found:
            told = [_DIGEST.sub(r"\1…", wording.clean(str(d), most=300)) for d in found]
            lines.append(f"{kind}: {wording.listed(told, CHANGES)}")
    comparison = entry.comparison
    if comparison is not None:
        for word, points in (("new", comparison.new), ("no longer there", comparison.missing)):
            if points:
                names = list(dict.fromkeys(p.metric for p in points))
                lines.append(f"{word}: {wording.listed(names, CHANGES)}")
        if len(lines) == 1 + bool(step.subject):
            lines.append(
                "nothing that both records name has changed: chance, or code that the older one does not note"
            )
    return lines


def to_json(
    suite: str, label: str, entries: Sequence[Entry], names: Sequence[str], notes: Sequence[str]
) -> dict[str, Any]:
    """Return the whole history, JSON-safe; steps oldest first."""
    return {
        "schema": SCHEMA,
        "suite": suite,
        "label": label,
        "notes": list(notes),
        "steps": [_step(entry, names) for entry in entries],
    }


def _step(entry: Entry, names: Sequence[str]) -> dict[str, Any]:
    step = entry.step
    findings = {name: entry.finding(name) for name in names}
    return {
        "run": step.run.id,
        "accepted": asdict(step.run.accepted) if step.run.accepted else None,
        "commit": step.commit or None,
        "subject": step.subject,
        "figures": {name: asdict(f) if f else None for name, f in entry.figures.items() if name in names},
        "findings": {name: asdict(f) if f else None for name, f in findings.items()},
        "protocol": _differences(step.protocol),
        "settings": _differences(step.settings),
        "suite_declaration": _differences(entry.declared),
        "environment": _differences(step.environment),
    }


def _differences(found: Sequence[Difference]) -> list[dict[str, Any]]:
    return [{"field": d.field, "before": d.baseline, "after": d.candidate} for d in found]
