"""``harness calibrate``: measures how far equal subjects differ between seeds (A/A) or between environments, and what
that means for the gates of a suite.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness import suite as suites
from harness.cli.requested import requested
from harness.compare.calibration import Across, Calibration, across, calibrate
from harness.compare.wording import counted, together
from harness.engine.plan import make
from harness.engine.recording import gate_infos
from harness.engine.suite_sources import resolve
from harness.errors import Exit, UsageError
from harness.evaluation.baseline_choice import side
from harness.evaluation.preparing import Request, prepare
from harness.evaluation.session import execute
from harness.report import streams
from harness.report.console import ReportConsole
from harness.report.files import check_writable, write_run
from harness.store import project as places
from harness.store import record_file
from harness.store.record import CALIBRATION
from harness.suite import Axis, Suite


def main(o: Namespace) -> Exit:
    """``harness calibrate``."""
    if o.environments is None:
        return run_calibration(requested(o), repeats=o.repeats, as_json=o.json)
    if o.repeats is not None:
        raise UsageError("calibrate: either --repeats or --environments, not both")
    return compare_environments(requested(o), o.environments, as_json=o.json)


def run_calibration(request: Request, *, repeats: int | None, as_json: bool = False) -> Exit:
    """Run the suite twice with disjoint seeds, and print a table of its gates.

    If the suite sweeps no seed, its subject is executed a second time instead. The differences then are what the
    machine does not reproduce exactly.

    Raises:
        UsageError: the suite has no gate, or fewer than three repeats were asked for.
    """
    prepared = prepare(request, download=True)
    suite = prepared.plan.suite
    if not suite.gates:
        raise UsageError(f"{suite.file}: no gate to calibrate")
    if repeats is not None and (repeats < 3 or not suite.seeds):
        raise UsageError("--repeats: at least 3, and for suites with seeds")
    first, second = _seeds(suite, repeats)
    subject = [] if suite.seeds else sorted({name.partition(".")[0] for name in suite.subject})
    home = places.reports(suite.project, suite.name) / "calibrate"
    for folder in (home, home / "a", home / "b"):
        if folder == home or folder.exists():
            check_writable(folder)
    loaded = suites.load(request.suite, set_=request.set)
    plans = []
    for seeds in (
        first,
        second,
    ):  # where each repeat reads a file of its own, those of all seeds are looked up first
        with_seeds, _ = resolve(
            replace(loaded, seeds=seeds),
            mirror=places.mirror(request.mirror),
            store=prepared.store,
            download=True,
        )
        plans.append(make(with_seeds, only=prepared.plan.only, code=prepared.plan.code))
    sides = []
    for name, planned, fresh in (("a", plans[0], []), ("b", plans[1], subject)):
        run, logs = execute(replace(prepared, plan=planned), ReportConsole(streams.err()), fresh)
        folder = home / name
        run = replace(run, provenance={**run.provenance, CALIBRATION: name})
        write_run(run, folder, prepared.store, logs)
        if run.failures:
            first_failed = run.failures[0]
            told = f"{counted(len(run.failures), 'task')} failed, first {first_failed.node}"
            streams.warn(f"calibrate: {told}: {first_failed.error}; see {folder}/logs")
            return Exit.FAILED
        sides.append(side(folder))
    rows = calibrate(sides[0], sides[1], gate_infos(suite))
    if as_json:
        _print_json(suite, [home / "a", home / "b"], rows)
    else:
        _print(ReportConsole(), rows)
    return Exit.OK


def _seeds(suite: Suite, repeats: int | None) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
    """Return the suite's seeds and as many others, each side extended to ``repeats``."""
    first, second = [], []
    for axis in suite.seeds:
        count = repeats or len(axis.values)
        new = max(axis.values) + 1
        own = [*axis.values, *range(new, new + count)][:count]
        start = max(own) + 1
        first.append(replace(axis, values=tuple(own)))
        second.append(replace(axis, values=tuple(range(start, start + count))))
    return tuple(first), tuple(second)


def compare_environments(request: Request, folder: Path, *, as_json: bool = False) -> Exit:
    """Print a table of the suite's gates over its runs below a folder. Runs nothing.

    Raises:
        UsageError: the suite has no gate, or the folder has fewer than two complete runs of it.
    """
    suite = prepare(request, download=False).plan.suite
    if not suite.gates:
        raise UsageError(f"{suite.file}: no gate to calibrate")
    runs = sorted(places.folders(folder))
    sides = [side(run) for run in runs if record_file.load(run).suite == suite.name]
    if len(sides) < 2:
        raise UsageError(
            f"calibrate: {folder} holds {len(sides)} runs of {suite.name}; at least two are needed"
        )
    if as_json:
        compared = [run for run in runs if record_file.load(run).suite == suite.name]
        _print_json(suite, compared, across(sides, gate_infos(suite)))
        return Exit.OK
    console = ReportConsole()
    console.print(f"{len(sides)} runs of {escape(suite.name)}, every two compared\n", highlight=False)
    for row in across(sides, gate_infos(suite)):
        _print_across(console, row)
    return Exit.OK


def _print_json(suite: Suite, runs: Sequence[Path], rows: Sequence[Calibration | Across]) -> None:
    streams.document(
        {
            "schema": "harness.calibrate/1",
            "suite": suite.name,
            "runs": [str(run) for run in runs],
            "gates": [{**asdict(row), "is_wide_enough": row.is_wide_enough} for row in rows],
        }
    )


def _print_across(console: Console, row: Across) -> None:
    if row.silent:
        _print_silent(console, row)
        return
    figures = [f for f in (row.low, row.high, row.largest, row.margin, row.proposed) if f is not None]
    low, high, largest, margin, proposed = together(figures)
    verdict = "[green]wide enough[/green]" if row.is_wide_enough else "[yellow]too narrow[/yellow]"
    at = " ".join(f"{name}={value}" for name, value in row.at.items())
    console.print(f"[bold]{row.metric}.{row.field}[/bold] {escape(at)}", highlight=False)
    console.print(f"  values from {low} to {high}, largest change {largest}", highlight=False)
    console.print(f"  margin {margin} is {verdict}; at {proposed} every two are unchanged\n", highlight=False)


def _print_silent(console: Console, row: Calibration | Across) -> None:
    at = " ".join(f"{name}={value}" for name, value in row.at.items())
    console.print(f"[bold]{row.metric}.{row.field}[/bold] {escape(at)}", highlight=False)
    console.print(
        f"  nothing can be said about the margin {row.margin:.3g}: {escape(row.silent)}\n", highlight=False
    )


def _print(console: Console, rows: tuple[Calibration, ...]) -> None:
    for row in rows:
        if row.silent:
            _print_silent(console, row)
            continue
        at = " ".join(f"{name}={value}" for name, value in row.at.items())
        figures = [row.mean, row.sd, row.change, row.low, row.high, row.detectable, row.margin, row.proposed]
        spelled = iter(together([f for f in figures if f is not None]))
        mean, sd, change, low, high, detectable, margin, proposed = (
            "–" if f is None else next(spelled) for f in figures
        )
        percent = (
            f" ({row.proposed_fraction:.2%})" if row.relative and row.proposed_fraction is not None else ""
        )
        needs = "more than 10,000" if row.repeats_needed is None else str(row.repeats_needed)
        verdict = (
            "[green]wide enough[/green]"
            if row.is_wide_enough
            else f"[yellow]too narrow: needs {needs} repeats[/yellow]"
        )
        console.print(f"[bold]{row.metric}.{row.field}[/bold] {escape(at)}", highlight=False)
        console.print(
            f"  mean {mean}, deviation of one repeat {sd} ({row.repeats} {row.unit} a side)", highlight=False
        )
        console.print(
            f"  A/A change {change}, 90 % interval {low} to {high}; detectable {detectable}", highlight=False
        )
        console.print(f"  margin {margin} is {verdict}; proposed {proposed}{percent}", highlight=False)
        if row.once:
            told = "of what was repeated only: another execution of the rest may be further away"
            console.print(f"  ! {told} ({escape(row.once)})", style="yellow", highlight=False)
        console.print("")
    if any(row.proposed is not None for row in rows):
        repeated = "" if not any(row.once for row in rows) else ", as far as its stages were repeated,"
        console.print(
            f"At the proposed margin an unchanged subject{repeated} ends 'unchanged' with 95 % probability.",
            style="dim",
            highlight=False,
        )
