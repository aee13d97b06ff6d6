"""``harness calibrate``: run A/A, and say what its noise means for the gates of a suite."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console
from rich.table import Table

from harness import project as places
from harness.assemble import gate_infos
from harness.compare.calibrate import Calibration, calibrate
from harness.errors import Exit, UsageError
from harness.evaluate import Prepared, Request, execute, prepare
from harness.judge import side
from harness.plan import make
from harness.report.files import write_run
from harness.report.numbers import together
from harness.suite import Axis, Suite


def run_calibration(request: Request, *, repeats: int | None) -> Exit:
    """Run the suite twice with seeds that no side shares, and print a table of its gates.

    Where the suite sweeps no seed, its subject is executed a second time instead: what then differs is what the
    machine does not repeat exactly.

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
    sides = []
    for name, seeds, fresh in (("a", first, []), ("b", second, subject)):
        planned = make(replace(suite, seeds=seeds), only=prepared.plan.only)
        run, logs = execute(Prepared(planned, prepared.store, prepared.sources), Console(stderr=True), fresh)
        folder = places.reports(suite.project, suite.name) / "calibrate" / name
        write_run(run, folder, prepared.store, logs)
        if run.failures:
            raise UsageError(
                f"calibrate: {run.failures[0].node} failed ({run.failures[0].error}); see {folder}/logs"
            )
        sides.append(side(folder))
    _print(Console(), calibrate(sides[0], sides[1], gate_infos(suite)))
    return Exit.OK


def _seeds(suite: Suite, repeats: int | None) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
    """The suite's seeds, and as many that are not among them; extended to ``repeats`` on each side."""
    first, second = [], []
    for axis in suite.seeds:
        count = repeats or len(axis.values)
        new = max(axis.values) + 1
        own = [*axis.values, *range(new, new + count)][:count]
        start = max(own) + 1
        first.append(replace(axis, values=tuple(own)))
        second.append(replace(axis, values=tuple(range(start, start + count))))
    return tuple(first), tuple(second)


def _print(console: Console, rows: tuple[Calibration, ...]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (
        "gate",
        "repeats",
        "mean",
        "sd",
        "A/A change",
        "detectable",
        "margin",
        "needs",
        "proposed",
    ):
        table.add_column(column, justify="left" if column == "gate" else "right")
    for row in rows:
        at = " ".join(f"{name}={value}" for name, value in row.at.items())
        figures = [row.mean, row.sd, row.change, row.low, row.high, row.detectable, row.margin, row.proposed]
        spelled = iter(together([f for f in figures if f is not None]))
        mean, sd, change, low, high, detectable, margin, proposed = (
            "–" if f is None else next(spelled) for f in figures
        )
        percent = (
            f" ({row.proposed_fraction:.2%})" if row.relative and row.proposed_fraction is not None else ""
        )
        table.add_row(
            f"{row.metric}.{row.field} {at}".strip(),
            f"{row.repeats} {row.unit}",
            mean,
            sd,
            f"{change} [{low}, {high}]",
            detectable,
            margin if row.is_wide_enough else f"[yellow]{margin}[/yellow]",
            "–" if row.repeats_needed is None else str(row.repeats_needed),
            proposed + percent,
        )
    console.print(table)
    console.print(
        "An unchanged subject ends 'unchanged' with 95 % probability at the proposed margin; 'needs' is the number of"
        " repeats for the declared one.",
        style="dim",
        highlight=False,
    )
    narrow = [f"{row.metric}.{row.field}" for row in rows if not row.is_wide_enough]
    if narrow:
        console.print(f"too narrow to be decided with these repeats: {', '.join(narrow)}", style="yellow")
