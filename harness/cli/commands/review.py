"""``harness review``: makes a page on which people rate images, and collects their ratings."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from harness.compare.wording import counted
from harness.errors import Exit, UsageError
from harness.evaluation.baseline_choice import side as side_of
from harness.evaluation.record_choice import run_folder
from harness.evaluation.reporting import rewrite
from harness.report import streams
from harness.review import key as keys
from harness.review import making, rating_table
from harness.review.checking import check
from harness.review.making import Wish
from harness.review.rating_table import Ratings
from harness.review.summary import FILE, lines, summarise, to_document, write
from harness.store import project as places
from harness.store import record_file
from harness.store.tiers import open_store

PAGE = "review.html"


def main(o: Namespace) -> Exit:
    """``harness review make`` and ``harness review collect``."""
    if o.command == "review collect":
        return collect(o.run, o.ratings, partial=o.partial, store=o.store, as_json=o.json)
    wish = Wish(tuple(o.images), o.controls, o.count, o.seed)
    return make(o.run, wish, to=o.to, replace=o.replace, store=o.store)


def make(run: str, wish: Wish, *, to: Path | None, replace: bool, store: Path | None) -> Exit:
    """Write the page for reviewers, and the key to its blinding into the run's folder."""
    home = places.of(Path.cwd())
    folder = _folder(run, home)
    before = None if replace else keys.read(folder)
    record = record_file.load(folder)
    review = making.make(record, open_store(store, home), wish, before)
    page = to or folder / PAGE
    making.write(review, folder, page)
    for line in making.described(review):
        streams.say(line)
    streams.say(f"page for reviewers: {page} ({page.stat().st_size / 1e6:.1f} MB)")
    streams.say(f"keep to yourself: {folder / keys.FILE}")
    option = "" if store is None else f" --store {shlex.quote(str(store))}"
    streams.say(f"then: harness review collect {shlex.quote(run)} ratings-*.json{option}")
    return Exit.OK


def collect(
    run: str, files: Sequence[Path], *, partial: bool, store: Path | None, as_json: bool = False
) -> Exit:
    """Check the files that reviewers exported, write the summary into the run's folder, and write its reports again.

    Raises:
        UsageError: the run has no review, or none of the files can be used.
    """
    home = places.of(Path.cwd())
    folder = _folder(run, home)
    key = keys.read(folder)
    if key is None:
        raise UsageError(f"{folder}: no review to collect for; make one: harness review make {run}")
    side = side_of(folder)
    if key.run != side.run.id:
        raise UsageError(f"{folder / keys.FILE}: of run {key.run}, and this is {side.run.id}")
    checked = check(files, key, partial=partial)
    for line in checked.left_out:
        streams.note(f"left out: {line}")
    for line in checked.notes:
        streams.note(f"taken in part: {line}")
    if not checked.sheets:
        raise UsageError(f"none of {counted(len(files), 'file')} can be used")
    rated = tuple(r for sheet in checked.sheets for r in sheet.rated)
    ratings = Ratings(key.review, key.run, key.questions, key.asked, rated)
    shares = {sheet.rater: sheet.share for sheet in checked.sheets}
    summary = summarise(ratings, shares, key.images, side)
    try:
        rating_table.write(folder / rating_table.FILE, ratings)
        write(folder, summary)
    except OSError as e:
        raise UsageError(f"{e.filename}: the review cannot be written ({e.strerror})") from None
    if not as_json:
        for line in lines(summary):
            streams.say(line)
    report = rewrite(folder, home, open_store(store, home))
    if as_json:
        told = {"left_out": checked.left_out, "in_part": checked.notes, "report": str(report)}
        streams.document({**to_document(summary), **told})
        return Exit.OK
    streams.say(f"review: {folder / FILE}, for suites: {folder / rating_table.FILE}, report: {report}")
    return Exit.OK


def _folder(run: str, home: Path) -> Path:
    folder = run_folder(run, home)
    if not folder.is_dir():
        raise UsageError(f"{folder}: a review needs a run's folder, and this is a file")
    return folder
