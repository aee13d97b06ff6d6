"""A job for running a stage function by itself, in a test's own folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


class FolderJob:
    """See ``harness.stage.Job``. ``on_progress`` may raise, which is how a test interrupts a stage."""

    device = "cpu"

    def __init__(self, root: Path, on_progress: Callable[[int, int, str], None] | None = None) -> None:
        self.root = root
        self.lines: list[str] = []
        self.reports: list[tuple[int, int, str]] = []
        self.on_progress = on_progress

    @property
    def scratch(self) -> Path:
        folder = self.root / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def folder(self, output: str = "") -> Path:
        folder = self.root / "entry" / (output or "out")
        folder.mkdir(parents=True)
        return folder

    def progress(self, done: int, total: int, what: str) -> None:
        self.reports.append((done, total, what))
        if self.on_progress is not None:
            self.on_progress(done, total, what)

    def log(self, line: str) -> None:
        self.lines.append(line)
