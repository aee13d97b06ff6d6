"""The console that prints tables and colours, and the progress of a run on it: a live bar, or plain lines in a log."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.segment import Segment

from harness.compare.wording import first_line
from harness.formats.escapes import visible
from harness.report import streams

if TYPE_CHECKING:
    from harness.engine.plan import Plan, Task
    from harness.engine.runner import Event


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
        super().__init__(file=cast("TextIO", outlet), force_terminal=force_terminal, width=width, emoji=False)
        if not self.is_terminal and width is None and "COLUMNS" not in os.environ:
            self.width = 500

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render text with visible control characters; those that rich adds itself (colours, cursor) stay."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(visible(segment.text, lines=True), segment.style)


TELL_EVERY_S = 30
"""Seconds between two plain lines about one task."""


@dataclass
class _Shown:
    """A running task in the live view."""

    bar: TaskID
    begun: float
    told: float
    """When a plain line about it was last printed."""


class RunProgress:
    """Shows all running tasks: ``with RunProgress(console, plan) as p: Runner(…, tell=p)``.

    The console needs its own file, because ``sys.stderr`` is the task's log while a stage runs. ``settled`` of the
    plan's tasks are already done and are not reported again.
    """

    def __init__(self, console: Console, plan: Plan, settled: int = 0) -> None:
        self.console = console
        self.total = len(plan.keys)
        self.settled = settled
        self.cached = 0
        self._running: dict[str, _Shown] = {}
        self._live = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[what]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> RunProgress:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._live.stop()
        if self.cached:
            self.console.print(
                f"[dim]{self.cached} of {self.total} tasks came from the store[/dim]", highlight=False
            )

    def __call__(self, event: Event) -> None:
        handle = {
            "started": self._started,
            "progress": self._progress,
            "executed": self._finished,
            "failed": self._finished,
            "skipped": self._finished,
            "cached": self._was_cached,
            "waiting": self._waits,
            "damaged": self._was_damaged,
            "lost": self._was_lost,
        }[event.kind]
        handle(event)

    def _started(self, event: Event) -> None:
        now = time.monotonic()
        bar = self._live.add_task(label(event.task), total=1, what="")
        self._running[event.task.key] = _Shown(bar, now, now)

    def _progress(self, event: Event) -> None:
        shown = self._running.get(event.task.key)
        if shown is None:
            return
        self._live.update(shown.bar, completed=event.done, total=event.total, what=event.what)
        if not self.console.is_terminal and time.monotonic() - shown.told > TELL_EVERY_S:
            shown.told = time.monotonic()
            self._line(f"  {label(event.task)}: {event.done}/{event.total} {event.what}")

    def _finished(self, event: Event) -> None:
        shown = self._running.pop(event.task.key, None)
        if shown is not None:
            self._live.remove_task(shown.bar)
        self.settled += 1
        mark = {"executed": "[green]✓[/green]", "failed": "[red]✗[/red]", "skipped": "[yellow]–[/yellow]"}[
            event.kind
        ]
        took = f" {time.monotonic() - shown.begun:.1f} s" if event.kind == "executed" and shown else ""
        self.console.print(f"{mark} [dim]{self.settled}/{self.total}[/dim] ", end="", highlight=False)
        what = first_line(event.what) if event.what else ""
        self._line(f"{label(event.task)}{took}{': ' if what else ''}{what}")

    def _was_cached(self, event: Event) -> None:
        self.settled += 1
        self.cached += 1

    def _was_damaged(self, event: Event) -> None:
        """Handle a task that counted as cached until its files turned out to be damaged."""
        self.settled -= 1
        self.cached -= 1
        self._line(f"{label(event.task)} was damaged in the store and is made again")

    def _waits(self, event: Event) -> None:
        self._line(f"{label(event.task)} is being made by another process; waiting for {event.what}")

    def _was_lost(self, event: Event) -> None:
        shown = self._running.pop(event.task.key, None)
        if shown is not None:
            self._live.remove_task(shown.bar)
        then = (
            f"is begun again, {event.done} of at most {event.total} times so far"
            if event.done
            else "goes elsewhere"
        )
        self._line(f"{label(event.task)} {then}: {event.what}")

    def _line(self, text: str) -> None:
        self.console.print(text.replace("\n", " "), markup=False, highlight=False)


def label(task: Task) -> str:
    """``train (epochs=8, seed=3)``: the node and what distinguishes the task from its siblings."""
    varying = {**task.point, **task.seeds}
    parts = [
        f"{name.partition('.')[2] if name.startswith(task.node + '.') else name}={v}"
        for name, v in varying.items()
    ]
    return f"{task.node} ({', '.join(parts)})" if parts else task.node
