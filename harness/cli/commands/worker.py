"""``harness worker``: reads calls from standard input, executes them, and writes events to standard output."""

from __future__ import annotations

from argparse import Namespace

from harness.cli import signals
from harness.engine.worker import serve
from harness.errors import Exit


def main(o: Namespace) -> Exit:
    """``harness worker``."""
    serve(signals.is_stopped)
    return Exit.OK
