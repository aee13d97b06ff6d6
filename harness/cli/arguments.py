"""The command line's grammar: commands, their arguments, and their ``--help`` texts.

Separate from the commands, so that ``--help`` and a mistyped argument need no slow imports.
"""

from __future__ import annotations

import argparse

from harness import __version__
from harness.cli.completion import SHELLS
from harness.cli.parser import EXIT_CODES, Commands, Parser, add_command, path, shard, text, whole

RUN = "a run's folder, its id, or a suite's name or file for its latest run"
SUITE = "a suite's file, or its name in the project"
KINDS = ("predictions", "classifier", "images", "language-model", "schedulers")
"""What ``harness init`` can start; ``cli/starting/projects.py`` has the rest."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; ``command`` of its result is the command's name."""
    root = Parser(
        prog="harness",
        description="Did quality move, by how much, and can I trust that answer? "
        "A suite declares an evaluation; running it ends in a verdict against an accepted baseline.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = add_command(commands, "run", "run suites and compare each with its baseline")
    run.add_argument(
        "suites",
        nargs="+",
        type=path,
        metavar="SUITE",
        help=f"{SUITE}; or a folder, for all suites below it; several run one after another",
    )
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
        type=path,
        metavar="DIR",
        help="where the run's folder goes (default: reports/<suite>/ in the project)",
    )
    run.add_argument(
        "--baseline",
        metavar="LABEL|FILE|RUN",
        help="compare with this label, file or run (default: the label of this device class)",
    )
    run.add_argument(
        "--baseline-ref",
        metavar="REF",
        help="take baseline, gate and reference from the merge base with this git ref",
    )
    run.add_argument(
        "--no-proposals",
        action="store_true",
        help="with --baseline-ref: a baseline that the change brings excuses nothing (default: if it is that of this "
        "run, the outcome is *proposed*, exit code 0)",
    )
    run.add_argument(
        "--until-conclusive",
        action="store_true",
        help="add seeds while a gate is inconclusive, judged at looks that are declared beforehand",
    )
    run.add_argument(
        "--max-seeds", type=whole(), metavar="N", help="with --until-conclusive: no more than this in all"
    )
    run.add_argument(
        "--shard",
        type=shard,
        metavar="I/N",
        help="run the I-th of N parts of the scores, without a verdict; a run without this on the same store "
        "puts the parts together",
    )
    run.add_argument("--strict", action="store_true", help="an inconclusive verdict ends in exit code 3")
    _json_argument(run)

    plan = add_command(commands, "plan", "show the tasks, what is cached and how long the rest will take")
    _suite_argument(plan)
    _suite_arguments(plan)
    plan.add_argument("--all", action="store_true", help="every task on its own line")
    _json_argument(plan)

    compare = add_command(
        commands,
        "compare",
        "compare a stored run with a baseline, another run, or a point of its own",
    )
    compare.add_argument("run", metavar="RUN", help=RUN)
    compare.add_argument(
        "baseline",
        nargs="?",
        metavar="BASELINE",
        help="a label, a baseline's file or a run (default: the run's device class)",
    )
    compare.add_argument(
        "--against", metavar="AXIS=VALUE,…", help="compare the run's other points of these axes with this one"
    )
    _json_argument(compare)
    compare.add_argument("--strict", action="store_true", help="an inconclusive verdict ends in exit code 3")

    accept = add_command(commands, "accept", "make a run the baseline")
    accept.add_argument("run", metavar="RUN", help=RUN)
    accept.add_argument(
        "--label", help="baselines/<suite>/<LABEL>.json (default: the device class the run ran on)"
    )
    accept.add_argument(
        "--reason", type=text, required=True, help="why this is right now; kept in the baseline"
    )
    accept.add_argument("--new-protocol", action="store_true", help="replace a baseline of another protocol")

    calibrate = add_command(
        commands,
        "calibrate",
        "run A/A: how far do equal subjects differ, and which margins can be told apart",
    )
    _suite_argument(calibrate)
    _suite_arguments(calibrate)
    calibrate.add_argument(
        "--repeats", type=whole(), metavar="N", help="seeds on each side (default: as many as the suite has)"
    )
    calibrate.add_argument(
        "--environments",
        type=path,
        metavar="DIR",
        help="run nothing; compare the suite's runs below DIR, each made in another environment",
    )
    _json_argument(calibrate)

    fetch = add_command(commands, "fetch", "bring what suites name outside themselves")
    fetch.add_argument("suites", nargs="+", type=path, metavar="SUITE", help=SUITE)
    fetch.add_argument("--to", type=path, metavar="DIR", help="fill this mirror")
    fetch.add_argument(
        "--pin", action="store_true", help="write the current commit in place of every @unpinned"
    )
    _json_argument(fetch)

    export = add_command(commands, "export", "copy what a stage made out of the store")
    _artifact_arguments(export)
    export.add_argument(
        "--to", type=path, required=True, metavar="DIR", help="a folder that is not there yet"
    )

    publish = add_command(
        commands, "publish", "upload a data set or a model that a stage made to the model hub"
    )
    _artifact_arguments(publish)
    publish.add_argument(
        "--to", required=True, metavar="ORG/NAME", help="a repository of the hub; made where there is none"
    )
    publish.add_argument("--private", action="store_true", help="where nobody else can see it")
    publish.add_argument(
        "--replace", action="store_true", help="also into a repository that is there, in place of its files"
    )
    publish.add_argument("--dry-run", action="store_true", help="say what would be uploaded, and no more")

    _more_evidence(commands)
    _for_people(commands)
    _storage(commands)
    _for_ci(commands)

    task = add_command(commands, "task", "execute one task again from its call.json, as for debugging")
    task.add_argument("call", type=path, metavar="CALL", help="call.json in the task's work folder")
    task.add_argument(
        "--to", type=path, metavar="DIR", help="work folder, not there yet (default: a temporary one)"
    )
    pull = add_command(commands, "pull", "fetch the container images that suites name")
    pull.add_argument("suites", nargs="+", type=path, metavar="SUITE", help=SUITE)
    pull.add_argument("--store", type=path, metavar="DIR", help="as for run")
    image = commands.add_parser("image", help="pin the names of container images")
    lock = add_command(
        image.add_subparsers(title="commands", metavar="COMMAND", required=True),
        "lock",
        "write into images.lock which image a name stands for, by its digests",
        "image lock",
    )
    lock.add_argument("images", nargs="+", metavar="NAME=IMAGE", help="an image that is on this machine")
    _json_argument(lock)
    add_command(commands, "identify", "print the code and software of every stage as keys have them")
    add_command(commands, "worker", "execute calls named on standard input; executors start this")
    completion = add_command(
        commands, "completion", "print the code with which a shell completes commands, suites and runs"
    )
    completion.add_argument("shell", choices=SHELLS, help="the shell that reads it")
    init = add_command(commands, "init", "start a project of your own, or a package of your own stages")
    init.add_argument(
        "folder",
        nargs="?",
        type=path,
        metavar="DIR",
        help="where it goes; made if it is not there (default: the working folder)",
    )
    init.add_argument(
        "--kind", choices=KINDS, metavar="KIND", help=f"{', '.join(KINDS)} (without it, they are described)"
    )
    init.add_argument(
        "--package",
        type=path,
        metavar="DIR",
        help="a Python package with a stage, a metric and their tests, named after DIR",
    )
    add_command(commands, "schema", "print the JSON Schema of a suite file, for editors")
    stages = add_command(commands, "stages", "list stages and metrics with their parameters")
    stages.add_argument("name", nargs="?", help="one stage in full, e.g. land_cover.train")
    _json_argument(stages)
    return root


def _more_evidence(commands: Commands) -> None:
    extend = add_command(
        commands, "extend", "run a baseline's own subject with more seeds, so that more pairs can be compared"
    )
    extend.add_argument("baseline", metavar="BASELINE", help="SUITE/LABEL or a baseline's file")
    extend.add_argument(
        "--seeds", type=whole(), required=True, metavar="N", help="how many seeds the baseline shall have"
    )
    _executor_arguments(extend)
    extend.add_argument("--mirror", type=path, metavar="DIR", help="as for run")
    extend.add_argument("--store", type=path, metavar="DIR", help="as for run")

    rescore = add_command(
        commands, "rescore", "compute a baseline's metrics anew from its stored artifacts, old beside new"
    )
    rescore.add_argument("baseline", metavar="BASELINE", help="SUITE/LABEL or a baseline's file")
    rescore.add_argument(
        "--accept",
        type=text,
        metavar="REASON",
        help="put the new values in the place of the old ones, for this reason",
    )
    _json_argument(rescore)
    _executor_arguments(rescore)
    rescore.add_argument("--mirror", type=path, metavar="DIR", help="as for run")
    rescore.add_argument("--store", type=path, metavar="DIR", help="as for run")

    explain = add_command(commands, "explain", "show the items that moved a metric most")
    explain.add_argument("run", metavar="RUN", help=RUN)
    explain.add_argument("metric", metavar="METRIC", help="a metric of the suite, or metric.field")
    explain.add_argument("--baseline", metavar="LABEL|FILE|RUN", help="as for run")
    explain.add_argument("--most", type=whole(), default=10, metavar="N", help="items to show (default: 10)")
    _json_argument(explain)

    history = add_command(
        commands, "history", "show what was accepted when, and the changes that caused steps"
    )
    history.add_argument("suite", metavar="SUITE", help="a suite's name or file")
    history.add_argument("--label", help="of the baseline (default: the label of this device class)")
    history.add_argument(
        "--metric", metavar="METRIC", help="a metric or metric.field (default: what is gated)"
    )
    _json_argument(history)


def _for_people(commands: Commands) -> None:
    leaderboard = add_command(
        commands, "leaderboard", "put runs into tables of comparable rows: HTML, Markdown, CSV and JSON"
    )
    leaderboard.add_argument(
        "runs", nargs="+", metavar="RUN", help=f"{RUN}; a baseline as SUITE/LABEL or file"
    )
    leaderboard.add_argument(
        "--to", type=path, metavar="DIR", help="where it goes (default: reports/leaderboard in the project)"
    )
    leaderboard.add_argument(
        "--paired",
        metavar="ROW",
        help="compare every row with this one, paired where they share seeds or items",
    )
    leaderboard.add_argument(
        "--published",
        type=path,
        metavar="FILE",
        help="rows of the literature (default: baselines/published.yaml)",
    )
    leaderboard.add_argument(
        "--rows",
        default="",
        metavar="AXIS,…",
        help="compare the points of these axes, too (default: the axes of a suite's reference)",
    )
    leaderboard.add_argument(
        "--by",
        default="",
        metavar="METRIC",
        help="order by this metric or metric.field (default: what is gated)",
    )
    _json_argument(leaderboard)

    review = commands.add_parser("review", help="have people rate images of a run, blinded")
    steps = review.add_subparsers(title="commands", metavar="COMMAND", required=True)
    make = add_command(
        steps, "make", "write one page that a reviewer opens, fills and exports", "review make"
    )
    make.add_argument("run", metavar="RUN", help=RUN)
    make.add_argument(
        "--to", type=path, metavar="FILE", help="the page (default: review.html in the run's folder)"
    )
    make.add_argument(
        "--images",
        action="append",
        default=[],
        metavar="STAGE",
        help="whose images (default: of every stage that generates some)",
    )
    make.add_argument(
        "--controls",
        metavar="STAGE",
        help="whose real images are mixed in (default: those the prompts are from)",
    )
    make.add_argument("--count", type=whole(), default=40, metavar="N", help="images to rate (default: 40)")
    make.add_argument(
        "--seed",
        type=whole(most=2**63 - 1),
        default=0,
        metavar="S",
        help="of the choice and the order (default: 0)",
    )
    make.add_argument(
        "--store", type=path, metavar="DIR", help="where the artifacts are (default: HARNESS_STORE)"
    )
    make.add_argument(
        "--replace", action="store_true", help="begin another review; what was rated on the old page is lost"
    )
    collect = add_command(steps, "collect", "check and sum up what reviewers exported", "review collect")
    collect.add_argument("run", metavar="RUN", help=RUN)
    collect.add_argument("ratings", nargs="+", type=path, metavar="JSON", help="what reviewers exported")
    collect.add_argument(
        "--partial", action="store_true", help="take files that are less than half full, too"
    )
    collect.add_argument(
        "--store", type=path, metavar="DIR", help="where the run's pictures are, as for make"
    )
    _json_argument(collect)


def _for_ci(commands: Commands) -> None:
    ci = commands.add_parser("ci", help="what a CI job does: gate a change, comment on it (docs/ci.md)")
    steps = ci.add_subparsers(title="commands", metavar="COMMAND", required=True)
    gate = add_command(steps, "gate", "run suites, and end in an error where an outcome blocks", "ci gate")
    gate.add_argument(
        "suites", nargs="+", metavar="SUITE", help="a suite file or a pattern, as 'gates/*.yaml'"
    )
    gate.add_argument(
        "--fail-on",
        default="regressed,incomparable,missing,no-baseline",
        metavar="WORDS",
        help="which outcomes block, of: regressed, incomparable, missing, no-baseline, inconclusive, worse (a "
        "proposed baseline for the worse), proposed, none (default: regressed,incomparable,missing,no-baseline); "
        "a failed task blocks always",
    )
    gate.add_argument(
        "--baseline-ref",
        metavar="REF",
        help="as for run (default: the base of the pull request or merge request; on pushes none)",
    )
    gate.add_argument(
        "--label", type=text, help="compare with this label of the baselines, as run --baseline"
    )
    gate.add_argument(
        "--shared-store",
        type=text,
        metavar="PLACE",
        help="a folder or URL of finished work that machines share; only the default branch writes it",
    )
    gate.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="where the folders of the runs go; empty or not there (default: a new one below reports/gates/)",
    )
    gate.add_argument("--pull", action="store_true", help="first fetch the container images that suites name")
    _executor_arguments(gate)
    gate.add_argument("--mirror", type=path, metavar="DIR", help="as for run")
    comment = add_command(steps, "comment", "render the comment on a change, or post it", "ci comment")
    comment.add_argument("folder", type=path, metavar="DIR", help="what ci gate wrote by --out")
    comment.add_argument("--to", type=path, metavar="FILE", help="write it there (default: print it)")
    comment.add_argument(
        "--post",
        action="store_true",
        help="post it on the pull request of GitHub's event, in the place of an earlier one; needs GITHUB_TOKEN",
    )
    comment.add_argument(
        "--name", default="harness", help="tells the comments of several gates apart (default: harness)"
    )
    comment.add_argument("--link", default="", metavar="URL", help="where reports and log are")
    comment.add_argument(
        "--pictures",
        default="",
        metavar="URL",
        help="address of DIR's copy, where the host shows pictures from",
    )
    comment.add_argument(
        "--author",
        default="github-actions[bot]",
        metavar="LOGIN",
        help="with --post: the account of the token; comments of others are left alone",
    )


def _storage(commands: Commands) -> None:
    store = commands.add_parser("store", help="look after the store: free space, check it, see what it holds")
    steps = store.add_subparsers(title="commands", metavar="COMMAND", required=True)
    gc = add_command(
        steps, "gc", "remove what no baseline, no kept run and no running command needs", "store gc"
    )
    gc.add_argument("--dry-run", action="store_true", help="say what would go, and no more")
    gc.add_argument(
        "--age",
        default="1d",
        metavar="AGE",
        help="keep what is younger, needed or not, such as 12h; 0 for nothing (default: 1d)",
    )
    gc.add_argument(
        "--keep",
        action="append",
        type=path,
        default=[],
        metavar="DIR|FILE",
        help="keep what these records need, too (a project's baselines/, reports/ and --out always count)",
    )
    gc.add_argument(
        "--forget",
        action="append",
        type=path,
        default=[],
        metavar="DIR",
        help="a project, or a run's --out, that has used the store and no longer counts",
    )
    verify = add_command(
        steps, "verify", "check every file of every entry; 5 where one is damaged", "store verify"
    )
    verify.add_argument(
        "--remove", action="store_true", help="remove what is damaged; a run makes what it needs again"
    )
    du = add_command(steps, "du", "show what takes the space, per suite, stage and kind", "store du")
    for table in (gc, verify, du):
        _json_argument(table)
    records = "a run as for compare, or a baseline as SUITE/LABEL or file"
    for step, about in (
        ("push", "copy what runs or baselines need to the second tier of HARNESS_STORE"),
        ("pull", "bring what runs or baselines need from the second tier"),
    ):
        command = add_command(steps, step, about, f"store {step}")
        command.add_argument("records", nargs="+", metavar="RECORD", help=records)
    export = add_command(
        steps, "export", "write what runs or baselines need into one archive", "store export"
    )
    export.add_argument("records", nargs="+", metavar="RECORD", help=records)
    export.add_argument("--to", type=path, required=True, metavar="FILE", help="an archive, not there yet")
    import_ = add_command(steps, "import", "put the entries of an archive into the store", "store import")
    import_.add_argument("archive", type=path, metavar="FILE")
    for command in (gc, verify, du, export, import_):
        command.add_argument(
            "--store", type=path, metavar="DIR", help="its folder (default: HARNESS_STORE, else .harness/)"
        )


def _json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document instead (docs/json.md), sizes in bytes"
    )


def _executor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--executor",
        metavar="NAME",
        help="where tasks run: inline, local, container, ray, or another package's (default: harness.toml, else "
        "inline, or local with an accelerator or --jobs)",
    )
    parser.add_argument(
        "--jobs",
        type=whole(least=1),
        metavar="N",
        help="how many tasks run at the same time on the processor",
    )
    parser.add_argument(
        "--address",
        type=text,
        metavar="HOST:PORT",
        help="with --executor ray: the cluster (default: harness.toml, else RAY_ADDRESS, else one is started here)",
    )
    parser.add_argument(
        "--inside",
        type=text,
        metavar="container",
        help="with --executor ray: its workers run in the images that the suite names",
    )


def _artifact_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.add_argument("stage", metavar="STAGE", help="a stage of the suite, or stage.output")
    parser.add_argument(
        "--at",
        default="",
        metavar="AXIS=VALUE,…",
        help="which point or seed, where the stage was run at several",
    )
    parser.add_argument(
        "--store", type=path, metavar="DIR", help="where the artifacts are (default: HARNESS_STORE)"
    )


def _suite_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", type=path, metavar="SUITE", help=SUITE)


def _suite_arguments(parser: argparse.ArgumentParser) -> None:
    _executor_arguments(parser)
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
        type=path,
        metavar="DIR",
        help="a local folder laid out like the model hub (default: HARNESS_MIRROR)",
    )
    parser.add_argument(
        "--store",
        type=path,
        metavar="DIR",
        help="where artifacts are kept (default: HARNESS_STORE, else .harness/ in the project)",
    )
