"""``harness compare``: a stored run against a baseline, another run, or a point of its own."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
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
    folder = run_folder(o.run, project.of(Path.cwd()))
    home = project.of_run(folder)
    run = record_file.load(folder)
    comparison = (
        within(folder, parse_against(o.against, run))
        if o.against
        else judge(folder, home, Against(o.baseline))
    )
    comparison = replace(comparison, strict=o.strict)
    if o.json:
        streams.document(comparison.to_json())
    else:
        print_comparison(ReportConsole(), run, comparison)
        annotate(comparison)
    return comparison.exit()
