"""A job for calling a stage function by itself, in a test's own folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


class FolderJob:
    """See ``harness.stage.Job``.

    Args:
        root: where the job's folders go; it need not exist. A second call of a stage needs a job of its own.
        on_progress: called with each report of progress. It may raise: so a test interrupts a stage.
        device: a torch device string.
    """

    def __init__(
        self,
        root: Path,
        on_progress: Callable[[int, int, str], None] | None = None,
        *,
        device: str = "cpu",
    ) -> None:
        self.root = root
        self.device = device
        self.on_progress = on_progress
        self.lines: list[str] = []
        """What the stage wrote to its log."""
        self.reports: list[tuple[int, int, str]] = []
        """Its reports of progress: done, total, what."""

    @property
    def scratch(self) -> Path:
        """``root/scratch``; another job with the same root finds what is there, as the next attempt of a task does."""
        folder = self.root / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def folder(self, output: str = "") -> Path:
        """A new, empty folder for one output.

        Raises:
            FileExistsError: this output was asked for before, by this job or by another one with the same root.
        """
        folder = self.root / "entry" / (output or "out")
        folder.mkdir(parents=True)
        return folder

    def progress(self, done: int, total: int, what: str) -> None:
        """Keep the report in ``reports``."""
        self.reports.append((done, total, what))
        if self.on_progress is not None:
            self.on_progress(done, total, what)

    def log(self, line: str) -> None:
        """Keep the line in ``lines``."""
        self.lines.append(line)
