"""``harness compare``: a stored run against a baseline, another run, or a point of its own."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from harness.errors import Exit, UsageError
from harness.evaluation.baseline_choice import Against, judge, parse_against, within
from harness.evaluation.record_choice import run_folder
from harness.report import streams
from harness.report.ci import annotate
from harness.report.console import ReportConsole
from harness.report.terminal import print_comparison
from harness.store import project, record_file


def main(o: Namespace) -> Exit:
    """``harness compare``."""
    if o.against is not None and o.baseline is not None:
        raise UsageError("compare: either a BASELINE or --against, not both")
    home = project.of(Path.cwd())
    folder = run_folder(o.run, home)
    run = record_file.load(folder)
    comparison = (
        within(folder, parse_against(o.against, run))
        if o.against
        else judge(folder, home, Against(o.baseline))
    )
    if o.json:
        streams.document(comparison.to_json())
    else:
        print_comparison(ReportConsole(), run, comparison, strict=o.strict)
        annotate(comparison)
    return comparison.exit(strict=o.strict)
