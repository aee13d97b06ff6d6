"""``harness fetch``: downloads or pins the external sources that suites name."""

from __future__ import annotations

from argparse import Namespace

from harness.engine.suite_sources import fetch_all, pin_all
from harness.errors import Exit, UsageError
from harness.evaluation.suite_choice import suite_files
from harness.report import streams


def main(o: Namespace) -> Exit:
    """``harness fetch``."""
    files = suite_files(o.suites)
    if o.pin:
        for line in pin_all(files):
            streams.say(line)
    if o.to is not None:
        for line in fetch_all(files, o.to):
            streams.say(line)
    if o.to is None and not o.pin:
        raise UsageError("fetch: say --to DIR (fill a mirror), --pin (write commits into the suite), or both")
    return Exit.OK
