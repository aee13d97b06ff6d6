"""Where things are printed."""

from __future__ import annotations

import os

from rich.console import Console


class ReportConsole(Console):
    """A console whose reader may leave early (``harness run … | head``) without changing the exit code."""

    def on_broken_pipe(self) -> None:
        """What rich does here is to exit with 1, which would say *regressed*."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
