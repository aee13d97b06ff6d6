"""An argument parser that prints through ``streams``, and what commands share: numbers, texts, exit codes in help."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from harness.engine.shard import Shard
from harness.errors import Exit
from harness.formats.escapes import is_utf8, visible
from harness.formats.files import expanded
from harness.report import streams

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

EXIT_CODES = """\
exit codes, the first that applies:
  2 bad suite or usage   5 a task failed   6 regressed   4 incomparable or missing
  3 inconclusive (only with --strict)   0 otherwise   70 internal error
  130 Ctrl-C, 143 SIGTERM, 129 SIGHUP: the same command goes on from there"""

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


class Parser(argparse.ArgumentParser):
    """Prints through ``streams``, like everything else."""

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        (file or streams.out()).write(self.format_help())

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> object:
        """Refuse an empty value: no argument means anything then, and as a path it would be the working folder."""
        is_command = isinstance(action, argparse._SubParsersAction)  # it is given all that follows
        if not is_command and not all(map(str.strip, arg_strings)):
            raise argparse.ArgumentError(action, "expected a value, not an empty one")
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> NoReturn:
        for line in self.format_usage().rstrip().splitlines():
            streams.note(line)
        streams.warn(message)
        raise SystemExit(int(Exit.USAGE))


MOST = 100_000
"""Largest count accepted on the command line: no machine gets through more seeds, images or rows."""


def whole(most: int = MOST, least: int | None = None) -> Callable[[str], int]:
    """Return a parser of whole numbers, written as in a suite."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]+", text):
            raise argparse.ArgumentTypeError(f"expected a whole number, not {text[:40]!r}")
        if len(text) > 20 or int(text) > most:
            raise argparse.ArgumentTypeError(f"{text[:40]} is more than {most:,}")
        if least is not None and int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    return read


def shard(given: str) -> Shard:
    """Return a shard."""
    try:
        return Shard.from_text(given)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def text(given: str) -> str:
    """Return a text that is recorded: unlike a path, it must be UTF-8."""
    if not is_utf8(given):
        raise argparse.ArgumentTypeError(f"not text in UTF-8: '{visible(given)}'")
    return given


def path(given: str) -> Path:
    """Return a path; shells leave ``~`` as it is in ``--store=~/store``."""
    return expanded(Path(given))


def add_command(commands: Commands, name: str, about: str, full: str = "") -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=full or name)
    return parser
