"""``harness run``: runs suites to their verdicts, one after another, and prints each as it is known."""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.cli.requested import requested
from harness.compare.wording import counted, outcome
from harness.engine.shard import Shard
from harness.errors import Exit, HarnessError, UsageError, worst
from harness.evaluation.baseline_choice import Against
from harness.evaluation.preparing import Prepared, check_fresh, prepare
from harness.evaluation.running import Goal, Judged, Ready, all_ready, as_arguments, evaluate
from harness.evaluation.session import execute
from harness.evaluation.suite_choice import suite_files
from harness.report import ci, streams
from harness.report.console import ReportConsole
from harness.report.markdown import append_step_summary, render
from harness.report.terminal import print_comparison
from harness.store.record_file import LABEL


def main(o: Namespace) -> Exit:
    """``harness run``."""
    if o.until_conclusive != (o.max_seeds is not None):
        raise UsageError(
            "run: --until-conclusive and --max-seeds N go together: the looks are fixed beforehand"
        )
    if o.no_proposals and o.baseline_ref is None:
        raise UsageError("run: --no-proposals goes with --baseline-ref")
    if o.shard is not None and (o.out or o.baseline or o.baseline_ref or o.until_conclusive or o.strict):
        raise UsageError("run: --shard gives no verdict; leave that to a run without it on the same store")
    files = suite_files(o.suites)
    if len(files) > 1:
        _check_options_of_several(o)
    requests = [requested(o, file) for file in files]
    if o.shard is not None:
        prepared = [prepare(request, download=True) for request in requests]
        for one in prepared:
            check_fresh(o.fresh, one.plan.suite)
        return worst([run_shard(one, o.shard, o.fresh) for one in prepared])
    goal = Goal(
        o.out, tuple(o.fresh), Against(o.baseline, o.baseline_ref, proposals=not o.no_proposals), o.max_seeds
    )
    with all_ready(requests, goal) as ready:
        if len(ready) == 1:
            return _told(ready[0], strict=o.strict).comparison.exit(strict=o.strict)
        return _one_after_another(ready, strict=o.strict)


def _check_options_of_several(o: Namespace) -> None:
    """Refuse what can be meant for one suite only."""
    if o.out is not None:
        raise UsageError(f"--out {o.out}: the folder of one run, and several suites are to run")
    if o.baseline is not None and not LABEL.fullmatch(o.baseline):
        raise UsageError(f"--baseline {o.baseline}: of one suite, and several are to run; a label is of each")


def run_shard(prepared: Prepared, shard: Shard, fresh: Sequence[str]) -> Exit:
    """Run one part of a suite's scores into the store. There is no record and no verdict: a plain run has them."""
    part = replace(prepared, plan=shard.part(prepared.plan))
    run, _ = execute(part, ReportConsole(streams.err()), fresh)
    done = Counter(task.state for task in run.tasks)
    told = f"shard {shard.number}/{shard.of}: {done['executed']} executed, {done['cached']} cached"
    streams.say(
        f"{told}, {done['failed']} failed; a run without --shard on this store puts the parts together"
    )
    return Exit.FAILED if done["failed"] else Exit.OK


def _one_after_another(ready: Sequence[Ready], *, strict: bool) -> Exit:
    """Run several suites. One that ends in an error does not keep the others from running."""
    codes, lines = [], []
    for one in ready:
        try:
            judged = _told(one, strict=strict, arguments=_arguments(one, strict=strict))
        except HarnessError as e:
            streams.warn(*e.lines)
            code, told = e.exit, e.lines[0]
        else:
            code, told = judged.comparison.exit(strict=strict), outcome(judged.comparison).word
        codes.append(code)
        lines.append(f"  {one.suite.name}: {told} (exit {code:d})")
    streams.say(f"{counted(len(ready), 'suite')}, exit {worst(codes):d}")
    for line in lines:
        streams.say(line)
    return worst(codes)


def _arguments(ready: Ready, *, strict: bool) -> list[str]:
    """The arguments of the command that runs this suite alone: its record does not name the others."""
    return as_arguments(ready.request, ready.goal) + (["--strict"] if strict else [])


def _told(ready: Ready, *, strict: bool, arguments: Sequence[str] | None = None) -> Judged:
    """Run a suite to its verdict, print it, and write the reports."""
    judged = evaluate(ready, ReportConsole(streams.err()), arguments)
    run, comparison = judged.run, judged.comparison
    console = ReportConsole()
    print_comparison(console, run, comparison, strict=strict)  # before the pages, which may fail
    ci.annotate(comparison, ready.suite)
    told_of = judged.report()
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            append_step_summary(Path(summary), render(run, comparison, changes=told_of.changes))
        except UsageError as e:  # optional: the verdict holds without it
            streams.warn(str(e))
    console.print(
        f"report: {judged.folder / 'report.html'}", style="dim", markup=False, highlight=False, soft_wrap=True
    )
    return judged
