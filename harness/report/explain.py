"""Prints what changed a metric on a terminal: the parts of its change, the most harmful first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.compare.comparison import Finding
from harness.compare.explain import Explanation, Part
from harness.compare.wording import clean, figures, label, together
from harness.report.depicted import Shown
from harness.report.finding_text import name, share, sum_up
from harness.report.terminal import MARKS

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
    page.line(
        Text.assemble(mark, page.text(f": {told.baseline} → {told.candidate}, {change} ({told.repeats})"))
    )
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


class _Page:
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
        moved = [p for p in (reversed(parts) if helped else parts) if p.contribution]
        rows = moved[:most]
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
