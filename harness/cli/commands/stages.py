"""``harness stages``: stages and metrics with their parameters."""

from __future__ import annotations

from argparse import Namespace

from harness.errors import Exit
from harness.report.console import ReportConsole
from harness.report.stages import print_stages


def main(o: Namespace) -> Exit:
    """``harness stages``."""
    print_stages(ReportConsole(), o.name)
    return Exit.OK
