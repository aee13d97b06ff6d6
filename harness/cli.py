"""The command line: parse, call, print."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__
from harness.errors import Exit, HarnessError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.evaluate import Request

EXIT_CODES = """\
exit codes, the first that applies:
  2 bad suite or usage   5 a task failed   1 regressed   4 incomparable or missing
  3 inconclusive (only with --strict)   0 otherwise   70 internal error   130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    command: Callable[[argparse.Namespace], Exit] = options.command
    try:
        return int(command(options))
    except HarnessError as e:
        print(f"harness: {e}", file=sys.stderr)
        return int(e.exit)
    except KeyboardInterrupt:
        print(
            "harness: interrupted; what is finished is kept, the same command goes on from there",
            file=sys.stderr,
        )
        return int(Exit.INTERRUPTED)
    except Exception as e:
        from harness.crash import describe

        print(f"harness: {describe(e)}", file=sys.stderr)
        return int(Exit.INTERNAL)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    _console().out(text, highlight=False)


def _run(o: argparse.Namespace) -> Exit:
    from harness.evaluate import evaluate
    from harness.judge import Against

    against = Against(o.baseline, o.baseline_ref)
    return evaluate(_request(o), out=o.out, fresh=o.fresh, against=against, strict=o.strict)


def _plan(o: argparse.Namespace) -> Exit:
    from harness.evaluate import prepare
    from harness.report.plan import print_plan

    prepared = prepare(_request(o), download=False)
    print_plan(_console(), prepared.plan, prepared.store, every=o.all)
    return Exit.OK


def _compare(o: argparse.Namespace) -> Exit:
    from harness import project, record_file
    from harness.judge import Against, judge, parse_against, within
    from harness.report.terminal import print_comparison

    if o.against is not None and o.baseline is not None:
        raise UsageError("compare: either a BASELINE or --against, not both")
    home = project.of(Path.cwd())
    folder = project.find_run(o.run, home)
    run = record_file.load(folder)
    comparison = (
        within(folder, parse_against(o.against, run))
        if o.against
        else judge(folder, home, Against(o.baseline))
    )
    if o.json:
        import json

        _say(json.dumps(comparison.to_json(), indent=1, ensure_ascii=False))
    else:
        print_comparison(_console(), run, comparison, strict=o.strict)
    return comparison.exit(strict=o.strict)


def _accept(o: argparse.Namespace) -> Exit:
    from harness import project, record_file
    from harness.compare.baseline import accept
    from harness.judge import label_of

    home = project.of(Path.cwd())
    folder = project.find_run(o.run, home)
    run = record_file.load(folder)
    if not record_file.is_sealed(folder):
        raise UsageError(f"{folder}: not as the harness wrote it; run the suite again and accept that run")
    path = accept(run, folder, home, o.label or label_of(run), o.reason, o.new_protocol)
    _say(f"accepted: {path}")
    return Exit.OK


def _calibrate(o: argparse.Namespace) -> Exit:
    from harness.calibrate import run_calibration

    return run_calibration(_request(o), repeats=o.repeats)


def _fetch(o: argparse.Namespace) -> Exit:
    from harness.sources import fetch_all, pin_all

    if o.pin:
        for line in pin_all(o.suites):
            _say(line)
    if o.to is not None:
        for line in fetch_all(o.suites, o.to):
            _say(line)
    if o.to is None and not o.pin:
        raise UsageError("fetch: say --to DIR (fill a mirror), --pin (write commits into the suite), or both")
    return Exit.OK


def _schema(o: argparse.Namespace) -> Exit:
    import json

    from harness.schema import json_schema

    _say(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return Exit.OK


def _stages(o: argparse.Namespace) -> Exit:
    from harness.report.stages import print_stages

    print_stages(_console(), o.name)
    return Exit.OK


def _request(o: argparse.Namespace) -> Request:
    from harness.evaluate import Request

    return Request(o.suite, tuple(o.set), tuple(o.only), o.mirror, o.store)


def _console() -> Console:
    from harness.report.console import ReportConsole

    return ReportConsole()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Did quality move, by how much, and can I trust that answer? "
        "A suite declares an evaluation; running it ends in a verdict against an accepted baseline.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = _command(commands, "run", _run, "run a suite and compare it with its baseline")
    _suite_arguments(run)
    run.add_argument(
        "--fresh",
        action="append",
        default=[],
        metavar="STAGE",
        help="execute this stage again, and what follows from it",
    )
    run.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the run's folder goes (default: reports/<suite>/ in the project)",
    )
    run.add_argument(
        "--baseline",
        metavar="LABEL|FILE|RUN",
        help="compare with this label, file or run (default: the label of this device class)",
    )
    run.add_argument(
        "--baseline-ref", metavar="REF", help="take baseline and gate from the merge base with this git ref"
    )
    run.add_argument("--strict", action="store_true", help="an inconclusive verdict ends in exit code 3")

    plan = _command(commands, "plan", _plan, "show the tasks, what is cached and how long the rest will take")
    _suite_arguments(plan)
    plan.add_argument("--all", action="store_true", help="every task on its own line")

    compare = _command(
        commands,
        "compare",
        _compare,
        "compare a stored run with a baseline, another run, or a point of its own",
    )
    compare.add_argument(
        "run", metavar="RUN", help="a run's folder, its id, or a suite's name for its latest run"
    )
    compare.add_argument(
        "baseline",
        nargs="?",
        metavar="BASELINE",
        help="a label, a baseline's file or a run (default: the run's device class)",
    )
    compare.add_argument(
        "--against", metavar="AXIS=VALUE,…", help="compare the run's other points of these axes with this one"
    )
    compare.add_argument("--json", action="store_true", help="print the comparison as JSON")
    compare.add_argument("--strict", action="store_true", help="an inconclusive verdict ends in exit code 3")

    accept = _command(commands, "accept", _accept, "make a run the baseline")
    accept.add_argument(
        "run", metavar="RUN", help="a run's folder, its id, or a suite's name for its latest run"
    )
    accept.add_argument(
        "--label", help="baselines/<suite>/<LABEL>.json (default: the device class the run ran on)"
    )
    accept.add_argument("--reason", required=True, help="why this is right now; kept in the baseline")
    accept.add_argument("--new-protocol", action="store_true", help="replace a baseline of another protocol")

    calibrate = _command(
        commands,
        "calibrate",
        _calibrate,
        "run A/A: how far do equal subjects differ, and which margins can be told apart",
    )
    _suite_arguments(calibrate)
    calibrate.add_argument(
        "--repeats", type=int, metavar="N", help="seeds on each side (default: as many as the suite has)"
    )

    fetch = _command(commands, "fetch", _fetch, "bring what suites name outside themselves")
    fetch.add_argument("suites", nargs="+", type=Path, metavar="SUITE")
    fetch.add_argument("--to", type=Path, metavar="DIR", help="fill this mirror")
    fetch.add_argument(
        "--pin", action="store_true", help="write the current commit in place of every @unpinned"
    )

    _command(commands, "schema", _schema, "print the JSON Schema of a suite file, for editors")
    stages = _command(commands, "stages", _stages, "list stages and metrics with their parameters")
    stages.add_argument("name", nargs="?", help="one stage in full, e.g. land_cover.train")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    call: Callable[[argparse.Namespace], Exit],
    about: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=call)
    return parser


def _suite_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", type=Path, metavar="SUITE", help="a suite file")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NODE.FIELD=VALUE", help="change one field of the suite"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="AXIS=VALUE,…",
        help="keep these values of an axis; such a run cannot be accepted",
    )
    parser.add_argument(
        "--mirror",
        type=Path,
        metavar="DIR",
        help="a local folder laid out like the model hub (default: HARNESS_MIRROR)",
    )
    parser.add_argument(
        "--store",
        type=Path,
        metavar="DIR",
        help="where artifacts are kept (default: HARNESS_STORE, else .harness/ in the project)",
    )
