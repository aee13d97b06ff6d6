"""The command line: parse, call, print."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.arguments import parser
from harness.errors import Exit, HarnessError, UsageError
from harness.report import streams

if TYPE_CHECKING:
    from rich.console import Console

    from harness.cli.commands.export import Stored
    from harness.cli.commands.run import Request
    from harness.store.record import Run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit code. A signal's ``KeyboardInterrupt`` passes."""
    options = parser().parse_args(arguments)
    try:
        _check_working_folder()
        return int(_COMMANDS[options.command](options))
    except HarnessError as e:
        streams.warn(*e.lines)
        return int(e.exit)
    except (Exception, SystemExit) as e:
        from harness.cli.crash import explain

        line, code = explain(e)
        streams.warn(line)
        return int(code)


def _check_working_folder() -> None:
    """Paths are relative to it, so nothing can be found where it is gone.

    Raises:
        UsageError: it was deleted, or may not be read.
    """
    try:
        Path.cwd()
    except OSError as e:
        raise UsageError(f"the working folder cannot be used ({e.strerror}); change to another") from None


def _run(o: argparse.Namespace) -> Exit:
    from harness.cli.baseline_choice import Against
    from harness.cli.commands.run import evaluate

    if o.until_conclusive != (o.max_seeds is not None):
        raise UsageError(
            "run: --until-conclusive and --max-seeds N go together: the looks are fixed beforehand"
        )
    against = Against(o.baseline, o.baseline_ref)
    return evaluate(
        _request(o), out=o.out, fresh=o.fresh, against=against, strict=o.strict, most_seeds=o.max_seeds
    )


def _plan(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.plan import foresee
    from harness.cli.commands.run import prepare
    from harness.report.plan import print_gates, print_plan

    prepared = prepare(_request(o), download=False)
    console = _console()
    print_plan(console, prepared.plan, prepared.store, every=o.all)
    print_gates(console, foresee(prepared.plan))
    return Exit.OK


def _compare(o: argparse.Namespace) -> Exit:
    from harness.cli.baseline_choice import Against, judge, parse_against, within
    from harness.report.github import annotate
    from harness.report.terminal import print_comparison
    from harness.store import project, record_file

    if o.against is not None and o.baseline is not None:
        raise UsageError("compare: either a BASELINE or --against, not both")
    home = project.of(Path.cwd())
    folder = project.find_run(o.run, home)
    run = record_file.load(folder)
    if (folder / "run.json").is_file() and not record_file.is_sealed(folder):
        streams.warn(f"{folder}: not as the harness wrote it; somebody edited its figures")
    comparison = (
        within(folder, parse_against(o.against, run))
        if o.against
        else judge(folder, home, Against(o.baseline))
    )
    if o.json:
        streams.document(comparison.to_json())
    else:
        print_comparison(_console(), run, comparison, strict=o.strict)
        annotate(comparison)
    return comparison.exit(strict=o.strict)


def _accept(o: argparse.Namespace) -> Exit:
    from harness.cli.baseline_choice import label_of
    from harness.compare.baseline import accept, untimed
    from harness.store import project, record_file

    home = project.of(Path.cwd())
    folder = project.find_run(o.run, home)
    run = record_file.load(folder)
    if not record_file.is_sealed(folder):
        raise UsageError(f"{folder}: not as the harness wrote it; run the suite again and accept that run")
    path = accept(run, folder, home, o.label or label_of(run), o.reason, o.new_protocol)
    streams.say(f"accepted: {path}")
    if late := untimed(run):
        streams.say(
            f"  no timing: what {', '.join(late)} timed came from the store; to accept times, run it with --fresh STAGE"
        )
    return Exit.OK


def _calibrate(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.calibrate import compare_environments, run_calibration

    if o.environments is None:
        return run_calibration(_request(o), repeats=o.repeats)
    if o.repeats is not None:
        raise UsageError("calibrate: either --repeats or --environments, not both")
    return compare_environments(_request(o), o.environments)


def _extend(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.extend import extend

    return extend(o.baseline, seeds=o.seeds, mirror=o.mirror, store=o.store)


def _rescore(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.rescore import rescore

    return rescore(o.baseline, accept=o.accept, mirror=o.mirror, store=o.store)


def _explain(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.explain import explain

    return explain(o.run, o.metric, baseline=o.baseline, most=o.most)


def _history(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.history import history

    return history(o.suite, label=o.label, metric=o.metric, as_json=o.json)


def _leaderboard(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.leaderboard import leaderboard

    return leaderboard(o.runs, to=o.to, paired=o.paired, literature=o.published, compared=o.rows, by=o.by)


def _review_make(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.review import make
    from harness.review.making import Wish

    wish = Wish(tuple(o.images), o.controls, o.count, o.seed)
    return make(o.run, wish, to=o.to, replace=o.replace, store=o.store)


def _review_collect(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.review import collect

    return collect(o.run, o.ratings, partial=o.partial, store=o.store)


def _store_gc(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.store import gc

    return gc(store=o.store, keep=o.keep, forget=o.forget, age=o.age, dry_run=o.dry_run)


def _store_verify(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.store import verify

    return verify(store=o.store, remove=o.remove)


def _store_du(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.store import du

    return du(store=o.store, as_json=o.json)


def _fetch(o: argparse.Namespace) -> Exit:
    from harness.engine.suite_sources import fetch_all, pin_all

    if o.pin:
        for line in pin_all(o.suites):
            streams.say(line)
    if o.to is not None:
        for line in fetch_all(o.suites, o.to):
            streams.say(line)
    if o.to is None and not o.pin:
        raise UsageError("fetch: say --to DIR (fill a mirror), --pin (write commits into the suite), or both")
    return Exit.OK


def _schema(o: argparse.Namespace) -> Exit:
    from harness.suite.json_schema import json_schema

    streams.document(json_schema(), indent=2)
    return Exit.OK


def _stages(o: argparse.Namespace) -> Exit:
    from harness.report.stages import print_stages

    print_stages(_console(), o.name)
    return Exit.OK


def _export(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.export import export

    _, made = _made(o)
    streams.say(f"exported: {export(made, o.to)}")
    return Exit.OK


def _publish(o: argparse.Namespace) -> Exit:
    from harness.cli.commands.publish import Upload

    run, made = _made(o)
    upload = Upload.of(made, run, o.to, private=o.private, replace=o.replace)
    for line in upload.described():
        streams.say(line)
    if not o.dry_run:
        streams.say(f"published: {upload.send()}")
    return Exit.OK


def _made(o: argparse.Namespace) -> tuple[Run, Stored]:
    from harness.cli.commands.export import find
    from harness.store import project, record_file
    from harness.store.artifacts import Store

    home = project.of(Path.cwd())
    run = record_file.load(project.find_run(o.run, home))
    return run, find(run, Store(project.store_root(o.store, home)), o.stage, o.at)


def _request(o: argparse.Namespace) -> Request:
    from harness.cli.commands.run import Request

    return Request(o.suite, tuple(o.set), tuple(o.only), o.mirror, o.store)


def _console() -> Console:
    from harness.report.console import ReportConsole

    return ReportConsole()


_COMMANDS: dict[str, Callable[[argparse.Namespace], Exit]] = {
    "run": _run,
    "plan": _plan,
    "compare": _compare,
    "accept": _accept,
    "calibrate": _calibrate,
    "extend": _extend,
    "rescore": _rescore,
    "explain": _explain,
    "history": _history,
    "leaderboard": _leaderboard,
    "review make": _review_make,
    "review collect": _review_collect,
    "store gc": _store_gc,
    "store verify": _store_verify,
    "store du": _store_du,
    "fetch": _fetch,
    "export": _export,
    "publish": _publish,
    "schema": _schema,
    "stages": _stages,
}
