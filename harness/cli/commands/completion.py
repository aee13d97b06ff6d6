"""``harness completion``: prints the code with which a shell completes commands, options, suites and runs."""

from __future__ import annotations

from argparse import Namespace

from harness.cli.completion import script
from harness.errors import Exit
from harness.report import streams


def main(o: Namespace) -> Exit:
    """``harness completion``."""
    for line in script(o.shell).splitlines():
        streams.say(line)
    return Exit.OK
