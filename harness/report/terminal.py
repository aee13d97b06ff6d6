"""Prints the comparison on a terminal, as the end of ``harness run`` and ``harness compare``.

Readable at 80 columns, without colour, and in a log file; wider terminals get one line per verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.compare import Comparison, Finding, Verdict, wording
from harness.compare.answers import answered, answers
from harness.compare.outcome import outcome, proposed
from harness.compare.wording import (
    against,
    claims,
    clean,
    counted,
    evidence,
    figures,
    first_line,
    label,
    listed,
    place,
    point,
    tally,
    together,
    uncompared,
    worst_first,
)
from harness.errors import Exit
from harness.formats.strict_json import canonical
from harness.report.facts import warned
from harness.report.finding_text import look, more_evidence
from harness.store.record import Run

ROWS = 30
"""Maximum number of rows of a table; the rest is counted."""
UNJUDGED = 8
"""Maximum number of rows for fields without a margin, which matter less."""

ANSWERS = 12
"""Maximum number of points of a sweep that get a sentence."""

WIDE = 110
"""From this terminal width on, interval and repeats are on the same line as the verdict."""

NARROW_NAME = 28
"""Below that width, names longer than this are broken after the metric."""

MARKS: dict[str, tuple[str, str, str]] = {
    Verdict.REGRESSED: ("✗", "x", "bold red"),
    Verdict.INCOMPARABLE: ("≠", "#", "magenta"),
    Verdict.INCONCLUSIVE: ("?", "?", "yellow"),
    Verdict.UNCHANGED: ("=", "=", "green"),
    Verdict.IMPROVED: ("✓", "+", "bold green"),
    "proposed": ("»", ">", "bold cyan"),
    "worse": ("»", ">", "bold yellow"),
    "failed": ("✗", "x", "bold red"),
    "missing": ("≠", "#", "magenta"),
    "no baseline yet": ("»", ">", "cyan"),
    "not gated": ("-", "-", "dim"),
}
"""Word → symbol, ASCII replacement, and style."""


def print_comparison(console: Console, run: Run, comparison: Comparison) -> None:
    """Print verdicts worst first, reasons, other differences, failures and counts, and the outcome as the last line."""
    page = _Page(console)
    page.heading(f"{run.suite}  run {run.id}")
    if comparison.baseline is not None:
        page.line(f"against {against(run, comparison)}")
    if which := look(comparison):
        page.line(which)
    page.answer(run, comparison)
    findings = worst_first(comparison.findings)
    stored = [f for f in findings if f.against is None]
    if comparison.baseline is None:
        page.measured(stored)
    else:
        page.verdicts(stored, "baseline")
    within = [f for f in findings if f.against is not None]
    for reference in {canonical(f.against): f.against for f in within if f.against is not None}.values():
        page.heading(f"within the run, against {point(reference)}")
        page.verdicts([f for f in within if f.against == reference], "reference")
    page.values(run, comparison)
    page.proposal(comparison)
    page.reasons(findings)
    page.beside(findings)
    page.more(more_evidence(run, comparison))
    page.environment(findings)
    page.failures(comparison)
    page.warnings(run)
    page.counts(comparison)
    page.outcome(run, comparison, comparison.exit())


class Lines:
    """Prints lines on a console, in characters that its encoding has."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.unicode = console.encoding.startswith("utf")

    def text(self, text: str, style: str = "") -> Text:
        """Return external text, cleaned and fitted to the terminal's encoding. It is never read as markup."""
        safe = clean(text, lines=True, most=2000)
        if not self.unicode:
            safe = safe.replace("→", "->").replace("∞", "inf").replace("…", "...")
            safe = safe.encode(self.console.encoding, "replace").decode(self.console.encoding)
        return Text(safe, style=style)

    def mark(self, word: str) -> Text:
        symbol, plain, style = MARKS[word]
        return Text(f"{symbol if self.unicode else plain} {word}", style=style)

    def line(self, text: str | Text, style: str = "") -> None:
        self.console.print(self.text(text, style) if isinstance(text, str) else text, highlight=False)


class _Page(Lines):
    """Lays out the parts of a comparison on a console."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.wide = console.width >= WIDE

    def heading(self, text: str) -> None:
        self.line("")
        self.line(clean(text), "bold")

    def table(self, columns: Sequence[str], right: Iterable[str] = ()) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2 if self.wide else 1, 0, 0), header_style="bold")
        for name in columns:
            table.add_column(name, justify="right" if name in right else "left", overflow="fold")
        return table

    def grid(self) -> Table:
        """Return a table for marked sentences, wrapped next to their mark."""
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        return grid

    def verdicts(self, findings: Sequence[Finding], other: str) -> None:
        """Print the table of verdicts; ``other`` is the heading for the side compared with."""
        if not findings:
            return
        if other == "baseline":
            self.line("")
        if self.wide:
            columns: tuple[str, ...] = (other, "candidate", "change", "margin")
            table = self.table(("verdict", "metric", *columns, "repeats"), columns)
        else:
            columns = (other, "candidate", "change")
            table = self.table(("verdict", "metric", *columns), columns)
        table.columns[0].no_wrap = True
        judged = [f for f in findings if f.verdict is not None]
        unjudged = [f for f in findings if f.verdict is None]
        shown = [*judged, *unjudged[:UNJUDGED]][:ROWS]
        for finding in shown:
            table.add_row(*self.row(finding), style="" if finding.gated else "dim")
        self.console.print(table)
        if left := [*judged[ROWS:], *unjudged[max(len(shown) - len(judged), 0) :]]:
            self.line(f"and {len(left):,} more: {tally(left)}", "dim")
        if about := claims(findings):
            self.line(f"verdicts are {clean(about)}", "dim")
        if cached := wording.cached(findings):
            self.line(cached, "dim")

    def measured(self, findings: Sequence[Finding]) -> None:
        """Print what the gates measured that have no baseline yet, and what their margins could see."""
        if not findings:
            return
        self.line("")
        columns = ("mean", "deviation", "margin", "could see")
        table = self.table(("gated metric", *columns, "repeats"), columns)
        for finding in findings[:ROWS]:
            name = [
                self.text(finding.name),
                *([self.text(clean(place(finding)), "dim")] if place(finding) else []),
            ]
            table.add_row(Text("\n").join(name), *map(self.text, wording.measured(finding)))
        self.console.print(table)
        if len(findings) > ROWS:
            self.line(f"and {len(findings) - ROWS:,} more in run.json", "dim")

    def row(self, finding: Finding) -> list[Text]:
        shown = figures(finding)
        verdict = [self.mark(finding.verdict) if finding.verdict else Text("- not judged")]
        metric = [self.text(finding.name)]
        if not self.wide and len(finding.name) > NARROW_NAME:
            metric = [self.text(f"{finding.metric}."), self.text(finding.field)]
        if place(finding):
            metric.append(self.text(clean(place(finding)), "dim"))
        sides, change = (shown.baseline, shown.candidate), (shown.change, shown.interval)
        bound = wording.margin(shown)
        plain: tuple[str, ...]
        if self.wide:
            plain = (*sides, " ".join(c for c in change if c != shown.repeats), bound, shown.repeats)
        else:
            margin = f"margin {bound}" if bound else ""
            told = ", ".join(filter(None, (margin, shown.repeats)))
            if told:
                metric.append(self.text(told, "dim"))
            plain = (*sides, "\n".join(c for c in change if c != shown.repeats).strip())
        return [Text("\n").join(verdict), Text("\n").join(metric), *map(self.text, plain)]

    def values(self, run: Run, comparison: Comparison) -> None:
        """Print the values that are not compared; without a baseline, all values."""
        rows = uncompared(run, comparison)
        if not rows:
            return
        self.heading("values without a baseline, one per repeat")
        table = self.table(("metric", "values"))
        dim = "" if comparison.baseline is None else "dim"
        for name, at, values in rows[:ROWS]:
            texts = listed(together(values[:5]), 5) + (
                f" and {len(values) - 5} more" if len(values) > 5 else ""
            )
            table.add_row(
                self.text(clean(f"{name} ({point(at)})" if at else name)), self.text(texts), style=dim
            )
        self.console.print(table)
        if len(rows) > ROWS:
            self.line(f"and {len(rows) - ROWS:,} more in run.json", "dim")

    def answer(self, run: Run, comparison: Comparison) -> None:
        """Print which points of a sweep are as good as its reference point."""
        lines = answered(answers(comparison.findings, run))
        if lines:
            self.line("")
        for line in lines[:ANSWERS]:
            self.line(clean(line))
        if len(lines) > ANSWERS:
            self.line(f"and {len(lines) - ANSWERS:,} more points", "dim")

    def proposal(self, comparison: Comparison) -> None:
        """Print the baseline that the change brings, if it brings one."""
        if comparison.proposal is None:
            return
        self.heading("the change proposes")
        lines = proposed(comparison.proposal)
        for line in lines[:ROWS]:
            self.line(f"  {clean(line)}")
        if len(lines) > ROWS:
            self.line(f"  and {len(lines) - ROWS:,} more in run.json", "dim")

    def reasons(self, findings: Sequence[Finding]) -> None:
        """Print the reason for each verdict that is not *unchanged*; findings with the same reason share a line."""
        groups: dict[tuple[str, ...], list[Finding]] = {}
        for finding in findings:
            if finding.verdict not in (None, Verdict.UNCHANGED):
                key = (str(finding.verdict), finding.reason, *map(str, finding.differences))
                groups.setdefault(key, []).append(finding)
        if not groups:
            return
        self.heading("why")
        grid = self.grid()
        for (verdict, reason, *differences), members in list(groups.items())[:ROWS]:
            names = listed(list(dict.fromkeys(label(f) for f in members)), 3)
            lines = [f"{clean(names)}: {clean(reason)}", *(f"  {clean(d)}" for d in differences[:ROWS])]
            if len(differences) > ROWS:
                lines.append(f"  and {len(differences) - ROWS:,} more fields")
            if len(members) == 1 and (needed := evidence(members[0])):
                lines.append(needed)
            grid.add_row(self.mark(verdict), self.text("\n".join(lines)))
        self.console.print(grid)
        if len(groups) > ROWS:
            self.line(f"and {len(groups) - ROWS:,} more reasons in run.json", "dim")

    def beside(self, findings: Sequence[Finding]) -> None:
        """Print notes on the verdicts; a note that holds for several is printed once."""
        told = wording.beside(findings)
        if told:
            self.heading("beside the verdicts")
        for names, sentence in told[:ROWS]:
            self.line(f"! {clean(names)}: {clean(sentence)}", "yellow")
        if len(told) > ROWS:
            self.line(f"and {len(told) - ROWS:,} more in run.json", "dim")

    def more(self, commands: Sequence[str]) -> None:
        """Print the commands that would decide the inconclusive verdicts."""
        if commands:
            self.heading("for more evidence")
        for i, command in enumerate(commands):
            unless = "  (unless the baseline has as many seeds)" if i < len(commands) - 1 else ""
            self.line(f"  {clean(command)}{unless}")

    def environment(self, findings: Sequence[Finding]) -> None:
        causes = list(dict.fromkeys(str(c) for f in findings for c in f.causes))
        if causes:
            self.heading("the environment differs, a likely cause of change")
            for cause in causes[:ROWS]:
                self.line(f"  {clean(cause)}")
            if len(causes) > ROWS:
                self.line(f"  and {len(causes) - ROWS:,} more fields")

    def failures(self, comparison: Comparison) -> None:
        if not comparison.failures:
            return
        self.heading(f"{counted(len(comparison.failures), 'task')} failed")
        grid = self.grid()
        for task in comparison.failures[:ROWS]:
            grid.add_row(
                self.mark("failed"), self.text(f"{clean(label(task))}: {clean(first_line(task.error))}")
            )
        self.console.print(grid)
        if len(comparison.failures) > ROWS:
            self.line(f"and {len(comparison.failures) - ROWS:,} more", "dim")

    def warnings(self, run: Run) -> None:
        found = warned(run)
        if found:
            self.heading(counted(len(found), "warning"))
        for warning in found[:ROWS]:
            self.line(f"! {clean(warning.who)}: {clean(warning.sentence)}", "yellow")
        if len(found) > ROWS:
            self.line(f"and {len(found) - ROWS:,} more", "dim")

    def counts(self, comparison: Comparison) -> None:
        told = (
            ("missing (only in the baseline)", comparison.missing),
            ("new (not in the baseline)", comparison.new),
            ("not run (deselected)", comparison.not_run),
        )
        if any(points for _, points in told):
            self.line("")
        for what, points in told:
            if points:
                self.line(clean(f"{len(points):,} {what}: {listed([label(p) for p in points], 5)}"))

    def outcome(self, run: Run, comparison: Comparison, code: Exit) -> None:
        if comparison.note:
            self.line("")
            self.line(comparison.note)
        self.line("")
        result = outcome(comparison)
        cached = sum(t.state == "cached" for t in run.tasks)
        work = f"{counted(len(run.tasks), 'task')}, {cached:,} cached, {run.wall_s:.1f} s"
        told = self.text(f": {result.sentence} ({work}, exit {code:d})")
        self.line(Text.assemble(self.mark(result.word), told))
