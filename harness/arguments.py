"""The command line's grammar: commands, their arguments, and what ``--help`` says about them."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import __version__

EXIT_CODES = """\
exit codes, the first that applies:
  2 bad suite or usage   5 a task failed   1 regressed   4 incomparable or missing
  3 inconclusive (only with --strict)   0 otherwise   70 internal error   130 interrupted"""


def parser() -> argparse.ArgumentParser:
    """Every command with its arguments; ``command`` of what it parses is the command's name."""
    root = argparse.ArgumentParser(
        prog="harness",
        description="Did quality move, by how much, and can I trust that answer? "
        "A suite declares an evaluation; running it ends in a verdict against an accepted baseline.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = _command(commands, "run", "run a suite and compare it with its baseline")
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

    plan = _command(commands, "plan", "show the tasks, what is cached and how long the rest will take")
    _suite_arguments(plan)
    plan.add_argument("--all", action="store_true", help="every task on its own line")

    compare = _command(
        commands,
        "compare",
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

    accept = _command(commands, "accept", "make a run the baseline")
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
        "run A/A: how far do equal subjects differ, and which margins can be told apart",
    )
    _suite_arguments(calibrate)
    calibrate.add_argument(
        "--repeats", type=int, metavar="N", help="seeds on each side (default: as many as the suite has)"
    )

    fetch = _command(commands, "fetch", "bring what suites name outside themselves")
    fetch.add_argument("suites", nargs="+", type=Path, metavar="SUITE")
    fetch.add_argument("--to", type=Path, metavar="DIR", help="fill this mirror")
    fetch.add_argument(
        "--pin", action="store_true", help="write the current commit in place of every @unpinned"
    )

    export = _command(commands, "export", "copy what a stage made out of the store")
    _artifact_arguments(export)
    export.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="a folder that is not there yet"
    )

    publish = _command(commands, "publish", "upload a data set or a model that a stage made to the model hub")
    _artifact_arguments(publish)
    publish.add_argument(
        "--to", required=True, metavar="ORG/NAME", help="a repository of the hub; made where there is none"
    )
    publish.add_argument("--private", action="store_true", help="where nobody else can see it")
    publish.add_argument(
        "--replace", action="store_true", help="also into a repository that is there, in place of its files"
    )
    publish.add_argument("--dry-run", action="store_true", help="say what would be uploaded, and no more")

    _command(commands, "schema", "print the JSON Schema of a suite file, for editors")
    stages = _command(commands, "stages", "list stages and metrics with their parameters")
    stages.add_argument("name", nargs="?", help="one stage in full, e.g. land_cover.train")
    return root


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    about: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=name)
    return parser


def _artifact_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", help="a run's folder, its id, or a suite's name for its latest run"
    )
    parser.add_argument("stage", metavar="STAGE", help="a stage of the suite, or stage.output")
    parser.add_argument(
        "--at",
        default="",
        metavar="AXIS=VALUE,…",
        help="which point or seed, where the stage was run at several",
    )
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="where the artifacts are (default: HARNESS_STORE)"
    )


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
