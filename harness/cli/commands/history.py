"""``harness history``: what was accepted for a suite, when, and which changes caused steps."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from harness.compare import baseline as baselines
from harness.compare import verdict
from harness.compare.comparison import Difference
from harness.compare.declared import suite_changes
from harness.compare.history import Step, read
from harness.compare.sample import Figure
from harness.errors import Exit, UsageError, nearest
from harness.report import streams
from harness.report.console import ReportConsole
from harness.report.history import Entry, print_history, to_json
from harness.store import project as places
from harness.store.environment import device_class, environment
from harness.store.record import Run
from harness.suite import located_yaml


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
    home, name = _named(suite)
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
    return Figure.of([s for s in step.run.scores if s.metric == metric], field, step.side)


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


def _named(suite: str) -> tuple[Path, str]:
    """Return the project and the name of a suite that is given by name or file."""
    file = Path(suite)
    if file.suffix not in (".yaml", ".yml"):
        return places.of(Path.cwd()), suite
    entry = located_yaml.load(file).entries.get("suite")
    if entry is None or not isinstance(entry.value, located_yaml.Scalar):
        raise UsageError(f"{file}: names no suite")
    return places.of(file.parent), entry.value.text


def _nothing(home: Path, suite: str, label: str, notes: Sequence[str]) -> str:
    """Explain why there is no history, and name the nearest one that exists."""
    labels = baselines.labels(home, suite)
    if labels:
        known = f"; its labels are {', '.join(labels)}{nearest(label, labels)}"
    else:
        root = home / baselines.FOLDER
        suites = {p.parent.relative_to(root).as_posix() for p in root.glob("**/*.json")}
        known = nearest(suite, suites) or f"; there are {', '.join(sorted(suites)) or 'no baselines at all'}"
    why = f" ({'; '.join(notes)})" if notes else ""
    return f"nothing was accepted for {suite} as {label!r}{known}{why}"
