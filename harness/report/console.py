"""Where things are printed."""

from __future__ import annotations

import os
from typing import IO

from rich.console import Console


class ReportConsole(Console):
    """A console whose reader may leave early (``harness run … | head``) without changing the exit code, and that is
    wide where it is no terminal: a log has no right margin.
    """

    def __init__(
        self, file: IO[str] | None = None, force_terminal: bool | None = None, width: int | None = None
    ) -> None:
        super().__init__(file=file, force_terminal=force_terminal, width=width)
        if not self.is_terminal and width is None and "COLUMNS" not in os.environ:
            self.width = 500

    def on_broken_pipe(self) -> None:
        """What rich does here is to exit with 1, which would say *regressed*."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
