"""The items behind the gated verdicts: those that got worse most, with their pictures if they are images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.compare import Finding, Verdict
from harness.compare.explain import Explanation, Part, Place, explain, pairs_of, worst_values
from harness.compare.sample import Side
from harness.compare.wording import clean, counted, first_line, label, together, worst_first
from harness.errors import StageError, StoreError, UsageError
from harness.report.finding_text import name, share, sum_up
from harness.report.html.context import Context
from harness.report.html.parts import Block, Cell, Listing, Section, Table, thumbnail
from harness.report.pictures import Items, Shown
from harness.store.artifacts import Store
from harness.store.record import Score
from harness.store.run_artifacts import Shelf

ROWS = 8
"""Maximum number of items shown per metric."""
SIDE = 96
"""Side of a picture in a row, in pixels."""
WORDS = 140
"""Maximum number of characters of an item's label and caption."""


def worst(context: Context) -> Section | None:
    """Show a table for each gated field that has per-item rows; None if there is none."""
    albums = {id(s): _Album(s, context.store) for s in (context.candidate, context.baseline) if s}
    blocks: list[Block] = []
    still: list[str] = []
    for finding in worst_first(f for f in context.comparison.findings if f.gated):
        other = context.candidate if finding.against is not None else context.baseline
        found: Table | str | None
        try:
            if other is None or finding.estimate is None or finding.verdict is Verdict.INCOMPARABLE:
                found = _alone(finding, albums[id(context.candidate)])
            else:
                found = _changed(finding, albums[id(context.candidate)], albums[id(other)])
        except UsageError as e:
            found = first_line(str(e))
        if isinstance(found, str):
            still.append(f"{label(finding)}: {found}")
        elif found is not None:
            blocks.append(found)
    if still:
        blocks.append(Listing("Nothing to show", tuple(still)))
    lead = (
        "What the verdicts rest on, item by item, what hurt most first; the parts of a change add up to the whole. A "
        "value is what the item has or, where the field is no mean over items, the field's value plus how far the "
        "item moves it."
    )
    return Section("items", "Worst items", tuple(blocks), lead) if blocks else None


@dataclass
class _Album:
    """One side, and the pictures of its items as far as the store has them."""

    side: Side
    store: Store
    _items: list[Items] = field(default_factory=list)

    def of(self, scores: Sequence[Score], parts: Sequence[Part], called: Sequence[Score]) -> Shown:
        try:
            if not self._items:
                self._items.append(Items(Shelf(self.side.run, self.store)))
            return self._items[0].behind(scores, parts, called)
        except (StoreError, StageError, OSError):
            return Shown({})


def _changed(finding: Finding, candidate: _Album, baseline: _Album) -> Table | str | None:
    """Make a table of the items that got worse most, or a sentence if none did."""
    pairs = pairs_of(finding, candidate.side.run, baseline.side.run)
    if not pairs:
        return None
    explanation = explain(pairs, finding.field, candidate.side, baseline.side, finding.better)
    apart = explanation.by_item(apart=True)
    if not apart:
        return None
    called = [p.candidate for p in pairs]
    ours = candidate.of(called, apart, called)
    theirs = baseline.of([p.baseline for p in pairs], apart, called)
    parts = explanation.by_item(apart=ours.apart)
    sign = 1 if finding.better == "lower" else -1
    rows = [p for p in parts[:ROWS] if sign * p.contribution > 0]
    if not rows:
        return sum_up(explanation, parts, rows, "item")
    caption = f"{label(finding)}, {finding.verdict}: {sum_up(explanation, parts, rows, 'item')}"
    columns: tuple[str, ...] = ("item", "before", "after", "adds to the change", "share of it")
    cells = tuple(_changes(explanation, parts, rows, ours, theirs))
    if not any(row[-1].text for row in cells):
        columns, cells = columns[:-1], tuple(row[:-1] for row in cells)
    return Table(caption, columns, cells, frozenset(range(1, len(columns))))


def _changes(
    explanation: Explanation, parts: Sequence[Part], rows: Sequence[Part], ours: Shown, theirs: Shown
) -> Iterator[tuple[Cell, ...]]:
    levels = iter(together([v for p in rows for v in (p.before, p.after) if v is not None]))
    added = together([p.contribution for p in rows])
    for part, contribution in zip(rows, added, strict=True):
        place = part.place
        is_same = _is_same(place, ours, theirs)
        before = Cell("") if part.before is None else Cell(next(levels), part.before)
        after = Cell("") if part.after is None else Cell(next(levels), part.after)
        yield (
            _item(place, ours, pictured=is_same),
            before if is_same else _pictured(before, place, theirs, "baseline"),
            after if is_same else _pictured(after, place, ours, "candidate"),
            Cell(f"+{contribution}" if part.contribution > 0 else contribution, part.contribution),
            Cell(share(explanation, part, parts), explanation.share(part, parts)),
        )


def _alone(finding: Finding, candidate: _Album) -> Table | None:
    """Make a table of the worst values, for a run without comparison."""
    run = candidate.side.run
    if finding.metric not in run.metrics or finding.field not in run.metrics[finding.metric].fields:
        return None
    scores = [s for s in run.scores if s.metric == finding.metric and s.complete]
    apart = worst_values(scores, finding.field, candidate.side, finding.better, apart=True)
    if not apart:
        return None
    shown = candidate.of(scores, apart, scores)
    parts = worst_values(scores, finding.field, candidate.side, finding.better, apart=shown.apart)
    rows = parts[:ROWS]
    values = together([p.after or 0.0 for p in rows])
    caption = (
        f"{label(finding)}: the worst of {counted(len(parts), 'item')}, with nothing to compare them with"
    )
    cells = tuple(
        (_item(p.place, shown, pictured=True), Cell(v, p.after)) for p, v in zip(rows, values, strict=True)
    )
    return Table(caption, ("item", "value"), cells, frozenset({1}))


def _item(place: Place, shown: Shown, *, pictured: bool) -> Cell:
    cluster = f"in {place.cluster}" if place.cluster is not None and place.cluster != place.item else ""
    note = " — ".join(filter(None, (cluster, clean(shown.words(place), most=WORDS))))
    cell = Cell(name(place), note=note)
    return _pictured(cell, place, shown, "image") if pictured else cell


def _pictured(cell: Cell, place: Place, shown: Shown, side: str) -> Cell:
    if not shown.has_pictures:
        return cell
    row = shown.row(place)
    picture = thumbnail(row.path if row else None, f"{side}: {name(place)}", side=SIDE)
    return Cell(cell.text, cell.sort, note=cell.note, picture=picture)


def _is_same(place: Place, ours: Shown, theirs: Shown) -> bool:
    """Whether both sides show the same artifact, or only one side can show one."""
    mine, other = ours.content(place), theirs.content(place)
    return mine == other or other is None
