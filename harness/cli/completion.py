"""Completes a command line in a shell: argcomplete reads the grammar, and names of the project are looked up here.

argcomplete and not shtab: a script that is printed once knows no suites and no runs. It is asked only when a shell
completes (``_ARGCOMPLETE`` is set), and then nothing but the grammar is imported before an answer needs more.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.engine import extras
from harness.errors import HarnessError, UsageError
from harness.report import streams

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
ASKED = "_ARGCOMPLETE"
"""Variable that argcomplete's shell code sets when it asks for completions."""
Completer = Callable[..., Iterable[str]]


def is_asked() -> bool:
    """Whether a shell asks for completions instead of running a command."""
    return ASKED in os.environ


def answer(parser: argparse.ArgumentParser) -> None:
    """Print the completions that a shell asks for, and end the process. Without argcomplete there are none."""
    try:
        import argcomplete
    except ImportError:
        return
    for action in _actions(parser):
        completer = COMPLETERS.get(str(action.metavar))
        if completer is not None:
            action.completer = _quiet(completer)  # type: ignore[attr-defined]
    with streams.keeping():
        argcomplete.autocomplete(parser, always_complete_options="long", exit_method=_leave)


def _leave(code: int) -> None:
    """End as any command does: ``os._exit``, which argcomplete would call, is taken for a library that gave up."""
    raise SystemExit(code)


def script(shell: str) -> str:
    """The code that a shell reads once to know the completions of ``harness``.

    Raises:
        UsageError: argcomplete is not installed.
    """
    try:
        import argcomplete
    except ImportError:
        raise UsageError(f"completion needs the package argcomplete{extras.hint(['argcomplete'])}") from None
    return str(argcomplete.shellcode(["harness"], shell=shell))


def suites(prefix: str, **_: object) -> list[str]:
    """The names of the project's suites that begin with a prefix, and files."""
    from harness.evaluation.suite_choice import names
    from harness.store import project as places

    return [*_beginning(prefix, names(places.of(Path.cwd()))), *_files(prefix)]


def runs(prefix: str, **_: object) -> list[str]:
    """The suites that have runs, the ids of their runs, and files."""
    from harness.store import project as places

    home = places.reports(places.of(Path.cwd()))
    ran = [folder.relative_to(home) for folder in places.folders(home)]
    known = dict.fromkeys(
        [*(r.parent.as_posix() for r in ran if places.is_id(r.name)), *(r.name for r in ran)]
    )
    return [*_beginning(prefix, known), *_files(prefix)]


def baselines(prefix: str, **_: object) -> list[str]:
    """The baselines of the project as ``SUITE/LABEL``, and files."""
    from harness.compare.baseline import FOLDER
    from harness.store import project as places

    home = places.of(Path.cwd()) / FOLDER
    known = sorted(file.relative_to(home).with_suffix("").as_posix() for file in home.rglob("*.json"))
    return [*_beginning(prefix, known), *_files(prefix)]


def stages(prefix: str, parsed_args: object = None, **_: object) -> list[str]:
    """The stages of a run's suite, if the run is named before them."""
    from harness.evaluation.record_choice import run_folder
    from harness.store import project as places

    given = getattr(parsed_args, "run", None)
    if given is None:
        return []
    declared = places.record(run_folder(str(given), places.of(Path.cwd()))).get("declaration")
    found = declared.get("stages") if isinstance(declared, dict) else None
    return _beginning(prefix, found if isinstance(found, dict) else ())


COMPLETERS: dict[str, Completer] = {
    "SUITE": suites,
    "RUN": runs,
    "RECORD": runs,
    "BASELINE": baselines,
    "STAGE": stages,
}
"""What an argument is called in ``--help`` → what completes it; files complete all others."""


def _quiet(completer: Completer) -> Completer:
    """The completer, which offers nothing where the project cannot be read: a command would say what is wrong."""

    def complete(prefix: str, **more: object) -> Iterable[str]:
        try:
            return completer(prefix, **more)
        except (HarnessError, OSError):
            return []

    return complete


def _beginning(prefix: str, known: Iterable[str]) -> list[str]:
    return [name for name in known if name.startswith(prefix)]


def _files(prefix: str) -> list[str]:
    from argcomplete.completers import FilesCompleter

    return list(FilesCompleter()(prefix))


def _actions(parser: argparse.ArgumentParser) -> Iterable[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in dict.fromkeys(action.choices.values()):
                yield from _actions(inner)
