"""``report.html``: a run and its comparison on one page that opens from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.compare import wording
from harness.errors import StageError, StoreError, UsageError
from harness.report.html.context import Context
from harness.report.html.frame import move_pictures, page, shorten
from harness.report.html.parts import Section
from harness.report.html.sections import (
    checks,
    commands,
    confusion,
    costs,
    failures,
    frontier,
    losses,
    matrix,
    memorised,
    ratings,
    record,
    seeds,
    strips,
    trend,
    verdicts,
    worst,
)
from harness.report.html.top import top

BESIDE = "report-files"
"""The folder next to the page that holds the pictures which are too many for it."""

SECTIONS: tuple[Callable[[Context], Section | None], ...] = (
    verdicts.verdicts,
    verdicts.reasons,
    failures.warnings,
    matrix.matrix,
    verdicts.within,
    frontier.frontier,
    seeds.seeds,
    strips.strips,
    confusion.confusion,
    worst.worst,
    checks.checks,
    losses.loss_curves,
    memorised.memorised,
    ratings.ratings,
    trend.trend,
    costs.costs,
    failures.failures,
    commands.commands,
    verdicts.others,
    record.details,
    record.record,
)
"""In the order of the page: the verdict, its evidence, what to do, the record."""

_TROUBLE = (OSError, StageError, StoreError, UsageError)
"""What reading artifacts may end in; a verdict stands without its pictures."""


@dataclass(frozen=True)
class Document:
    """A page, and the files that belong beside it."""

    text: str
    beside: Mapping[str, bytes]
    """Name in the folder ``BESIDE`` next to the page → content."""


def render(context: Context) -> Document:
    """The report, cut to what a page may weigh."""
    sections, beside = move_pictures(shorten(list(made(context, SECTIONS))), BESIDE)
    word, suite = wording.outcome(context.comparison).word, context.run.suite
    return Document(page(suite, sections, top=top(context), tab=f"{word}: {suite}"), beside)


def made(context: Context, makers: Iterable[Callable[[Context], Section | None]]) -> Iterator[Section]:
    """The sections that a run has. One whose artifacts cannot be read says so, and the others stand."""
    for make in makers:
        try:
            section = make(context)
        except _TROUBLE as e:
            problem = str(getattr(e, "strerror", None) or e).strip().partition("\n")[0]
            section = Section(make.__name__, make.__name__.title(), (), f"Cannot be shown: {problem}")
        if section is not None:
            yield section
