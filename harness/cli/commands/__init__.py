"""The commands, one module each with a function ``main``.

The ``main`` of the package parses the arguments and calls the requested one; only that is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from harness.cli import completion
from harness.cli.arguments import parser
from harness.errors import HarnessError, UsageError
from harness.report import streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code. A signal's ``KeyboardInterrupt`` passes through."""
    grammar = parser()
    if arguments is None and completion.is_asked():
        completion.answer(grammar)
    options = grammar.parse_args(arguments)
    try:
        _check_working_folder()
        command = options.command.split()[0]  # "review make" → "review"
        return int(import_module(f"harness.cli.commands.{command}").main(options))
    except HarnessError as e:
        streams.warn(*e.lines)
        return int(e.exit)
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # not only Exception: asyncio, generators and Rust have others
        from harness.cli.crash import explain

        line, code = explain(e)
        streams.warn(line)
        return int(code)


def _check_working_folder() -> None:
    """Check that the working folder exists: paths are relative to it.

    Raises:
        UsageError: it was deleted or cannot be read.
    """
    try:
        Path.cwd()
    except OSError as e:
        raise UsageError(f"the working folder cannot be used ({e.strerror}); change to another") from None
