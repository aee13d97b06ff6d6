"""The console that prints tables and colours."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from harness.formats.escapes import visible
from harness.report import streams


class ReportConsole(Console):
    """A console that neutralises external text.

    It is wide if it is not a terminal, because a log has no right margin.
    """

    def __init__(
        self,
        file: TextIO | streams.Outlet | None = None,
        force_terminal: bool | None = None,
        width: int | None = None,
    ) -> None:
        if file is None:
            file = streams.out()
        outlet = file if isinstance(file, streams.Outlet) else streams.Outlet(file, is_vital=False)
        super().__init__(file=cast("TextIO", outlet), force_terminal=force_terminal, width=width)
        if not self.is_terminal and width is None and "COLUMNS" not in os.environ:
            self.width = 500

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render text with visible control characters; those that rich adds itself (colours, cursor) stay."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(visible(segment.text, lines=True), segment.style)
