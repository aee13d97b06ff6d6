"""``harness fetch``: downloads or pins the external sources that suites name."""

from __future__ import annotations

from argparse import Namespace
from typing import TypeVar

from harness.engine.suite_sources import fetch_all, pin_all
from harness.errors import Exit, UsageError
from harness.evaluation.suite_choice import suite_files
from harness.report import streams

T = TypeVar("T")


def main(o: Namespace) -> Exit:
    """``harness fetch``."""
    if o.to is None and not o.pin:
        raise UsageError("fetch: say --to DIR (fill a mirror), --pin (write commits into the suite), or both")
    files = suite_files(o.suites)
    pinned = [_said(one, quiet=o.json) for one in (pin_all(files) if o.pin else ())]
    fetched = [_said(one, quiet=o.json) for one in (fetch_all(files, o.to) if o.to is not None else ())]
    if o.json:
        streams.document(
            {
                "schema": "harness.fetch/1",
                "pinned": [{**one._asdict(), "file": str(one.file)} for one in pinned],
                "fetched": [one._asdict() for one in fetched],
            }
        )
    return Exit.OK


def _said(one: T, *, quiet: bool) -> T:
    """Tell of each as soon as it is done: one of them may take an hour."""
    if not quiet:
        streams.say(str(one))
    return one
