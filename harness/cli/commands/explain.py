"""``harness explain``: shows the items that changed a metric most."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from harness.cli.baseline_choice import Against, judge, label_of, opponent, side
from harness.compare import explain as explanations
from harness.compare.comparison import Comparison, Finding, Verdict
from harness.compare.explain import Explanation
from harness.compare.sample import Side
from harness.compare.wording import against, worst_first
from harness.errors import Exit, StageError, StoreError, UsageError, nearest
from harness.report.console import ReportConsole
from harness.report.depicted import Items, Shown
from harness.report.explain import print_explanation, print_why_not
from harness.store import project
from harness.store.artifacts import Store
from harness.store.record import Run
from harness.store.run_artifacts import Shelf


def main(o: Namespace) -> Exit:
    """``harness explain``."""
    return explain(o.run, o.metric, baseline=o.baseline, most=o.most)


def explain(run: str, metric: str, *, baseline: str | None, most: int) -> Exit:
    """Print what changed a metric between a run and what it is compared with.

    Args:
        run: a run, as in ``harness compare``.
        metric: ``metric.field``, or a metric's name for its gated fields (if none is gated: all fields that have a
            direction).
        baseline: a label, a file or a run; by default the label of the run's device class.
        most: number of rows of a table, at least 1.

    Returns:
        ``INCOMPARABLE`` if there is nothing to compare the run with.

    Raises:
        UsageError: the run, metric or field does not exist.
    """
    if most < 1:
        raise UsageError(f"--most {most}: at least 1")
    home = project.of(Path.cwd())
    folder = project.find_run(run, home)
    candidate = side(folder)
    fields = _fields(candidate.run, metric)
    comparison = judge(folder, home, Against(baseline))
    other, _ = opponent(home, Against(baseline), candidate.run.suite, baseline or label_of(candidate.run))
    console = ReportConsole()
    if other is None:
        print_why_not(console, metric, comparison.note)
        return Exit.INCOMPARABLE
    store = Store(project.store_root(None, home))
    shown = 0
    for finding in _findings(comparison, metric.partition(".")[0], fields):
        if finding.estimate is None or finding.verdict is Verdict.INCOMPARABLE:
            print_why_not(console, finding.name, finding.reason)
            continue
        opposite = candidate if finding.against is not None else other
        pairs = explanations.pairs_of(finding, candidate.run, opposite.run)
        found = explanations.explain(pairs, finding.field, candidate, opposite, finding.better)
        name = against(candidate.run, comparison)
        print_explanation(console, finding, name, found, _items(finding, found, candidate, store), most)
        shown += 1
    return Exit.OK if shown else Exit.INCOMPARABLE


def _fields(run: Run, metric: str) -> Sequence[str]:
    """Return the requested fields."""
    name, dot, field = metric.partition(".")
    if name not in run.metrics:
        raise UsageError(f"no metric {name!r} in {run.suite}{nearest(name, run.metrics)}")
    fields = run.metrics[name].fields
    if dot and field not in fields:
        raise UsageError(f"metric {name!r} has no field {field!r}{nearest(field, fields)}")
    directed = [f for f, direction in fields.items() if direction]
    if dot and field not in directed:
        raise UsageError(f"{metric}: more is neither better nor worse, so that there is nothing to explain")
    gated = [g.field for g in run.gates if g.metric == name]
    return [field] if dot else list(dict.fromkeys(gated)) or directed


def _findings(comparison: Comparison, metric: str, fields: Sequence[str]) -> list[Finding]:
    """Return the gated findings of each field, worst first.

    A field without any has one finding: the mean over all points, against the baseline.
    """
    found: list[Finding] = []
    for field in fields:
        of_field = [f for f in worst_first(comparison.findings) if (f.metric, f.field) == (metric, field)]
        gated = [f for f in of_field if f.gated]
        whole = sorted(of_field, key=lambda f: (f.against is not None, bool(f.at)))
        found += gated or whole[:1]
    return found


def _items(finding: Finding, explanation: Explanation, candidate: Side, store: Store) -> Shown:
    """Look up what the items are, as far as the store still has them."""
    scores = [s for s in candidate.run.scores if s.metric == finding.metric and s.complete]
    try:
        return Items(Shelf(candidate.run, store)).behind(scores, explanation.by_item(apart=True))
    except (StoreError, StageError, OSError):
        return Shown({})
