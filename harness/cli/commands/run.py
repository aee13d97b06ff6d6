"""``harness run``: runs suites to their verdicts, one after another, and prints each as it is known."""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.artifact import Json
from harness.cli.requested import requested
from harness.compare.outcome import outcome
from harness.compare.wording import counted
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
    verdict_only = (o.out, o.baseline, o.baseline_ref, o.until_conclusive, o.strict, o.json)
    if o.shard is not None and any(verdict_only):
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
    against = Against(o.baseline, o.baseline_ref, proposals=not o.no_proposals)
    goal = Goal(o.out, tuple(o.fresh), against, o.strict, o.max_seeds)
    named = len(o.suites) == 1 and not o.suites[0].is_dir()  # the record has the command as it was written
    with all_ready(requests, goal) as ready:
        if len(ready) == 1 and not o.json:
            arguments = None if named else as_arguments(ready[0].request, goal)
            return _told(ready[0], arguments).comparison.exit()
        ends = [_end(one, silent=o.json) for one in ready]
    code = worst([end.code for end in ends])
    if o.json:
        streams.document({"schema": SCHEMA, "exit": int(code), "runs": [end.to_json() for end in ends]})
        return code
    streams.say(f"{counted(len(ends), 'suite')}, exit {code:d}")
    for end in ends:
        streams.say(f"  {end.ready.suite.name}: {end.told} (exit {end.code:d})")
    return code


SCHEMA = "harness.runs/1"


@dataclass(frozen=True)
class _End:
    """What became of one of the suites."""

    ready: Ready
    judged: Judged | None
    """None if it ended in an error."""
    code: Exit
    error: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        return self.error[0] if self.judged is None else outcome(self.judged.comparison).word

    def to_json(self) -> dict[str, Json]:
        judged = self.judged
        return {
            "suite": self.ready.suite.name,
            "file": str(self.ready.request.suite),
            "exit": int(self.code),
            "outcome": None if judged is None else outcome(judged.comparison).word,
            "error": list(self.error),
            "run": None if judged is None else judged.run.id,
            "folder": None if judged is None else str(judged.folder),
            "report": None if judged is None else str(judged.folder / "report.html"),
            "comparison": None if judged is None else judged.comparison.to_json(),
        }


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


def _end(ready: Ready, *, silent: bool) -> _End:
    """Run one of several suites. If it ends in an error, the others still run.

    Its record has the command that runs this suite alone.
    """
    try:
        judged = _told(ready, as_arguments(ready.request, ready.goal), silent=silent)
    except HarnessError as e:
        streams.warn(*e.lines)
        return _End(ready, None, e.exit, e.lines)
    return _End(ready, judged, judged.comparison.exit())


def _told(ready: Ready, arguments: Sequence[str] | None, *, silent: bool = False) -> Judged:
    """Run a suite to its verdict, print it unless ``silent``, and write the reports."""
    judged = evaluate(ready, ReportConsole(streams.err()), arguments)
    run, comparison = judged.run, judged.comparison
    console = ReportConsole()
    console.quiet = silent
    print_comparison(console, run, comparison)  # before the pages, which may fail
    if not silent:
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
