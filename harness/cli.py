"""The command line: parse, call, print."""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.arguments import parser
from harness.errors import Exit, HarnessError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.commands.evaluate import Request
    from harness.commands.export import Stored
    from harness.record import Run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # a name that this terminal cannot show is still told
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(_COMMANDS[options.command](options))
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
    from harness.commands.evaluate import evaluate
    from harness.commands.judge import Against

    if o.until_conclusive != (o.max_seeds is not None):
        raise UsageError(
            "run: --until-conclusive and --max-seeds N go together: the looks are fixed beforehand"
        )
    against = Against(o.baseline, o.baseline_ref)
    return evaluate(
        _request(o), out=o.out, fresh=o.fresh, against=against, strict=o.strict, most_seeds=o.max_seeds
    )


def _plan(o: argparse.Namespace) -> Exit:
    from harness.commands.evaluate import prepare
    from harness.report.plan import print_plan

    prepared = prepare(_request(o), download=False)
    print_plan(_console(), prepared.plan, prepared.store, every=o.all)
    return Exit.OK


def _compare(o: argparse.Namespace) -> Exit:
    from harness import project, record_file
    from harness.commands.judge import Against, judge, parse_against, within
    from harness.report.github import annotate
    from harness.report.terminal import print_comparison

    if o.against is not None and o.baseline is not None:
        raise UsageError("compare: either a BASELINE or --against, not both")
    home = project.of(Path.cwd())
    folder = project.find_run(o.run, home)
    run = record_file.load(folder)
    if (folder / "run.json").is_file() and not record_file.is_sealed(folder):
        print(f"harness: {folder}: not as the harness wrote it; somebody edited its figures", file=sys.stderr)
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
        annotate(comparison)
    return comparison.exit(strict=o.strict)


def _accept(o: argparse.Namespace) -> Exit:
    from harness import project, record_file
    from harness.commands.judge import label_of
    from harness.compare.baseline import accept

    home = project.of(Path.cwd())
    folder = project.find_run(o.run, home)
    run = record_file.load(folder)
    if not record_file.is_sealed(folder):
        raise UsageError(f"{folder}: not as the harness wrote it; run the suite again and accept that run")
    path = accept(run, folder, home, o.label or label_of(run), o.reason, o.new_protocol)
    _say(f"accepted: {path}")
    return Exit.OK


def _calibrate(o: argparse.Namespace) -> Exit:
    from harness.commands.calibrate import run_calibration

    return run_calibration(_request(o), repeats=o.repeats)


def _extend(o: argparse.Namespace) -> Exit:
    from harness.commands.extend import extend

    return extend(o.baseline, seeds=o.seeds, mirror=o.mirror, store=o.store)


def _rescore(o: argparse.Namespace) -> Exit:
    from harness.commands.rescore import rescore

    return rescore(o.baseline, accept=o.accept, mirror=o.mirror, store=o.store)


def _explain(o: argparse.Namespace) -> Exit:
    from harness.commands.explain import explain

    return explain(o.run, o.metric, baseline=o.baseline, most=o.most)


def _history(o: argparse.Namespace) -> Exit:
    from harness.commands.history import history

    return history(o.suite, label=o.label, metric=o.metric, as_json=o.json)


def _leaderboard(o: argparse.Namespace) -> Exit:
    from harness.commands.leaderboard import leaderboard

    return leaderboard(o.runs, to=o.to, paired=o.paired, literature=o.published, compared=o.rows, by=o.by)


def _review_make(o: argparse.Namespace) -> Exit:
    from harness.commands.review import make
    from harness.review.making import Wish

    wish = Wish(tuple(o.images), o.controls, o.count, o.seed)
    return make(o.run, wish, to=o.to, replace=o.replace, store=o.store)


def _review_collect(o: argparse.Namespace) -> Exit:
    from harness.commands.review import collect

    return collect(o.run, o.ratings, partial=o.partial, store=o.store)


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


def _export(o: argparse.Namespace) -> Exit:
    from harness.commands.export import export

    _, made = _made(o)
    _say(f"exported: {export(made, o.to)}")
    return Exit.OK


def _publish(o: argparse.Namespace) -> Exit:
    from harness.commands.publish import Upload

    run, made = _made(o)
    upload = Upload.of(made, run, o.to, private=o.private, replace=o.replace)
    for line in upload.described():
        _say(line)
    if not o.dry_run:
        _say(f"published: {upload.send()}")
    return Exit.OK


def _made(o: argparse.Namespace) -> tuple[Run, Stored]:
    from harness import project, record_file
    from harness.commands.export import find
    from harness.store import Store

    home = project.of(Path.cwd())
    run = record_file.load(project.find_run(o.run, home))
    return run, find(run, Store(project.store_root(o.store, home)), o.stage, o.at)


def _request(o: argparse.Namespace) -> Request:
    from harness.commands.evaluate import Request

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
    "fetch": _fetch,
    "export": _export,
    "publish": _publish,
    "schema": _schema,
    "stages": _stages,
}
