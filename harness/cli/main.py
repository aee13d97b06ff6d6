"""The command line: its arguments are parsed, and the module of the command is called.

Each command is a module of ``commands/`` with a function ``main``; only the one that is asked for is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from harness.cli.arguments import parser
from harness.errors import HarnessError, UsageError
from harness.report import streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit code. A signal's ``KeyboardInterrupt`` passes."""
    options = parser().parse_args(arguments)
    try:
        _check_working_folder()
        command = options.command.split()[0]  # of "review make", review
        return int(import_module(f"harness.cli.commands.{command}").main(options))
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
