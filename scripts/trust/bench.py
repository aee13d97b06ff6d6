"""A project in small for the scripts beside this one: a suite of toy stages with its baseline.

Commands run in one warm process or in its forked children, so that thousands of them take minutes. Needs a source
checkout: the toys are those of the tests.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

SUITE = "suites/suite.yaml"
TEXT = """\
suite: toy/small
extends: toy.yaml
matrix: {model.loss: null, model.rate: null}
reference: {model.loss: null, model.rate: null}
gate: {fit.within: null}
"""
"""One cell of the toy suite, with one gate: what is done to it is done thousands of times."""
BASELINE = Path("baselines/toy/small/cpu.json")


@contextlib.contextmanager
def project() -> Iterator[Path]:
    """A new project with an accepted run, which is the working folder; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="harness-trust-") as name:
        folder = Path(name).resolve()
        site = folder / "site"
        shutil.copytree(ROOT / "tests" / "toy_package", site)
        sys.path.insert(0, str(site))
        for variable in ("HARNESS_STORE", "HARNESS_MIRROR", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
            os.environ.pop(variable, None)
        home = folder / "project"
        (home / "suites").mkdir(parents=True)
        (home / SUITE).write_text(TEXT)
        shutil.copyfile(site / "toy.yaml", (home / SUITE).with_name("toy.yaml"))
        back = Path.cwd()
        os.chdir(home)
        try:
            expect(4, "run", SUITE, "--out", "reports/first")
            expect(0, "accept", "reports/first", "--reason", "first figures")
            yield home
        finally:
            os.chdir(back)


def harness(*arguments: str) -> tuple[int, str, str]:
    """A command in this process: exit code, and what it said."""
    from harness.cli.commands import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(arguments))
        except SystemExit as e:
            code = int(e.code or 0)
    return code, out.getvalue(), err.getvalue()


def expect(code: int, *arguments: str) -> str:
    found, out, err = harness(*arguments)
    if found != code:
        raise SystemExit(f"harness {' '.join(arguments)}: {found}, not {code}: {err}")
    return out


def forked(work: Callable[[], int]) -> int:
    """Start a child; its process id."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return child


def ended(child: int) -> int:
    """The exit code of a child; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def silently(*arguments: str) -> Callable[[], int]:
    return lambda: harness(*arguments)[0]


def restore(copy: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(copy, place)


def say(**figures: Any) -> None:
    """The one line of a script."""
    print(json.dumps(figures))
