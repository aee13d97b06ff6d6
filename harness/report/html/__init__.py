"""``report.html``: a run and its comparison on one page that opens from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.compare.outcome import outcome
from harness.errors import StageError, StoreError, UsageError
from harness.report.html.context import Context
from harness.report.html.frame import move_pictures, page, shorten
from harness.report.html.parts import Section
from harness.report.html.sections import (
    checks,
    confusion,
    frontier,
    images,
    losses,
    matrix,
    ratings,
    record,
    seeds,
    tasks,
    trend,
    verdicts,
    worst,
)
from harness.report.html.top import top

BESIDE = "report-files"
"""The folder next to the page for the pictures that do not fit in it."""

SECTIONS: tuple[Callable[[Context], Section | None], ...] = (
    verdicts.proposal,
    verdicts.verdicts,
    verdicts.reasons,
    tasks.warnings,
    matrix.matrix,
    verdicts.within,
    frontier.frontier,
    seeds.seeds,
    images.strips,
    confusion.confusion,
    worst.worst,
    checks.checks,
    losses.loss_curves,
    images.memorised,
    ratings.ratings,
    trend.trend,
    tasks.costs,
    tasks.failures,
    record.commands,
    verdicts.others,
    record.details,
    record.record,
)
"""The sections in page order: the verdict, its evidence, next commands, the record."""

_TROUBLE = (OSError, StageError, StoreError, UsageError)
"""Errors that reading artifacts may raise; a verdict is shown even without its pictures."""


@dataclass(frozen=True)
class Document:
    """A page, and the files that belong next to it."""

    text: str
    beside: Mapping[str, bytes]
    """File name in the folder ``BESIDE`` → content."""


def render(context: Context) -> Document:
    """Render the report, cut to the size limit of a page."""
    sections, beside = move_pictures(shorten(list(made(context, SECTIONS))), BESIDE)
    word, suite = outcome(context.comparison).word, context.run.suite
    return Document(page(suite, sections, top=top(context), tab=f"{word}: {suite}"), beside)


def made(context: Context, makers: Iterable[Callable[[Context], Section | None]]) -> Iterator[Section]:
    """Yield the sections of a run. If artifacts cannot be read, only their section is replaced, by a message."""
    for make in makers:
        try:
            section = make(context)
        except _TROUBLE as e:
            problem = str(getattr(e, "strerror", None) or e).strip().partition("\n")[0]
            section = Section(make.__name__, make.__name__.title(), (), f"Cannot be shown: {problem}")
        if section is not None:
            yield section
