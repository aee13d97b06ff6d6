"""``harness explain``: prints what changed a metric: the parts of its change, the most harmful first."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.compare import Comparison, Finding, Verdict
from harness.compare import explain as explanations
from harness.compare.explain import Explanation, Part
from harness.compare.sample import Side
from harness.compare.wording import against, clean, figures, label, together, worst_first
from harness.errors import Exit, StageError, StoreError, UsageError, nearest
from harness.evaluation.baseline_choice import Against, judge, label_of, opponent, side
from harness.evaluation.record_choice import run_folder
from harness.report import streams
from harness.report.console import ReportConsole
from harness.report.finding_text import name, share, sum_up
from harness.report.pictures import Items, Shown
from harness.report.terminal import Lines
from harness.store import project
from harness.store.artifacts import Store
from harness.store.record import Run
from harness.store.run_artifacts import Shelf
from harness.store.tiers import open_store


def main(o: Namespace) -> Exit:
    """``harness explain``."""
    return explain(o.run, o.metric, baseline=o.baseline, most=o.most, as_json=o.json)


def explain(run: str, metric: str, *, baseline: str | None, most: int, as_json: bool = False) -> Exit:
    """Print what changed a metric between a run and what it is compared with.

    Args:
        run: a run, as in ``harness compare``.
        metric: ``metric.field``, or a metric's name for its gated fields (if none is gated: all fields that have a
            direction).
        baseline: a label, a file or a run; by default the label of the run's device class.
        most: number of rows of a table, at least 1.
        as_json: print it as JSON, for programs.

    Returns:
        ``INCOMPARABLE`` if there is nothing to compare the run with.

    Raises:
        UsageError: the run, metric or field does not exist.
    """
    if most < 1:
        raise UsageError(f"--most {most}: at least 1")
    home = project.of(Path.cwd())
    folder = run_folder(run, home)
    candidate = side(folder)
    fields = _fields(candidate.run, metric)
    comparison = judge(folder, home, Against(baseline))
    other, _ = opponent(home, Against(baseline), candidate.run.suite, baseline or label_of(candidate.run))
    console = ReportConsole()
    told: list[dict[str, Any]] = []
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "suite": candidate.run.suite,
        "run": candidate.run.id,
        "explained": told,
    }
    body |= {"baseline": comparison.baseline, "note": comparison.note}
    if other is None:
        streams.document(body) if as_json else print_why_not(console, metric, comparison.note)
        return Exit.INCOMPARABLE
    store = open_store(None, home)
    shown = 0
    for finding in _findings(comparison, metric.partition(".")[0], fields):
        if finding.estimate is None or finding.verdict is Verdict.INCOMPARABLE:
            told.append({"finding": asdict(finding), "parts": None})
            if not as_json:
                print_why_not(console, finding.name, finding.reason)
            continue
        opposite = candidate if finding.against is not None else other
        pairs = explanations.pairs_of(finding, candidate.run, opposite.run)
        found = explanations.explain(pairs, finding.field, candidate, opposite, finding.better)
        items = _items(finding, found, candidate, store)
        told.append({"finding": asdict(finding), "parts": _parts(found, items, most)})
        if not as_json:
            print_explanation(console, finding, against(candidate.run, comparison), found, items, most)
        shown += 1
    if as_json:
        streams.document(body)
    return Exit.OK if shown else Exit.INCOMPARABLE


SCHEMA = "harness.explain/1"


def _parts(explanation: Explanation, shown: Shown, most: int) -> dict[str, Any]:
    """The parts of a change, JSON-safe: those that the tables show, in their order."""
    kinds = {
        "point": explanation.by_point(),
        "repeat": explanation.by_repeat(),
        "cluster": explanation.by_cluster(),
        "item": explanation.by_item(apart=shown.apart),
    }
    return {
        kind: [_part(p, shown) for p in _moved(explanation, parts)[:most]] for kind, parts in kinds.items()
    }


def _part(part: Part, shown: Shown) -> dict[str, Any]:
    place = part.place
    return {
        "item": place.item,
        "cluster": place.cluster,
        "seeds": None if place.seeds is None else dict(place.seeds),
        "point": None if place.point is None else json.loads(place.point),
        "before": part.before,
        "after": part.after,
        "contribution": part.contribution,
        "label": (shown.words(place) or None) if place.item is not None else None,
    }


def _moved(explanation: Explanation, parts: Sequence[Part]) -> list[Part]:
    """The parts that moved, what hurt most first, or where the field changed for the better, what helped most."""
    return [p for p in (reversed(parts) if explanation.helped else parts) if p.contribution]


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


WORDS = 100
"""Maximum number of characters of an item's label and caption."""
HOW_TO_READ = (
    "Before and after: what the item has; of what is no mean, the field's value plus how far it moves that."
)


def print_explanation(
    console: Console, finding: Finding, against: str, explanation: Explanation, shown: Shown, most: int
) -> None:
    """Print a finding and its change by point, repeat, cluster and item, as far as it has these.

    Args:
        console: console to print on.
        finding: finding with an estimate.
        against: name of what it is compared with.
        explanation: explanation of the finding.
        shown: what its items are; empty if unknown.
        most: maximum number of rows of a table.
    """
    page = _Page(console)
    told = figures(finding)
    page.line("")
    page.line(f"{label(finding)} against {against}", "bold")
    mark = page.mark(str(finding.verdict) if finding.verdict else "not gated")
    change = " ".join(dict.fromkeys((told.change, told.interval)))
    repeats = "" if told.repeats == told.interval else f" ({told.repeats})"
    page.line(Text.assemble(mark, page.text(f": {told.baseline} → {told.candidate}, {change}{repeats}")))
    items = explanation.by_item(apart=shown.apart)
    page.parts("point", explanation, explanation.by_point(), most)
    page.parts("repeat", explanation, [] if items else explanation.by_repeat(), most)
    page.parts("cluster", explanation, explanation.by_cluster(), most)
    page.parts("item", explanation, items, most, lambda part: shown.words(part.place))
    if not items:
        page.line("")
        page.line(f"{finding.name} has no per-item rows: it is one measurement, or its metric keeps none.")
    else:
        page.line(HOW_TO_READ, "dim")


def print_why_not(console: Console, name: str, reason: str) -> None:
    """Print why nothing can be explained, in one line."""
    page = _Page(console)
    page.line(f"{name}: nothing to explain: {clean(reason)}")


class _Page(Lines):
    def parts(
        self,
        what: str,
        explanation: Explanation,
        parts: Sequence[Part],
        most: int,
        words: Callable[[Part], str] = lambda part: "",
    ) -> None:
        """Print a table of parts with a sentence below it; nothing if there are none."""
        if not parts:
            return
        helped = explanation.helped
        rows = _moved(explanation, parts)[:most]
        self.line("")
        if not rows:
            self.line(sum_up(explanation, parts, rows, what))
            return
        self.line(f"by {what}, what {'helped' if helped else 'hurt'} most first", "bold")
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for head in ("before", "after", "adds", "share"):
            table.add_column(head, justify="right", no_wrap=True)
        table.add_column(what, overflow="fold")
        levels = together([v for p in rows for v in (p.before, p.after) if v is not None])
        texts = iter(levels)
        added = together([p.contribution for p in rows])
        for part, contribution in zip(rows, added, strict=True):
            before, after = ("" if v is None else next(texts) for v in (part.before, part.after))
            signed = f"+{contribution}" if part.contribution > 0 else contribution
            told = clean(words(part), most=WORDS)
            cell = Text.assemble(self.text(name(part.place)), self.text(f"  {told}" if told else "", "dim"))
            table.add_row(before, after, signed, share(explanation, part, parts), cell)
        self.console.print(table)
        self.line(sum_up(explanation, parts, rows, what), "dim")
