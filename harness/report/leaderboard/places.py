"""Where the lines of a leaderboard lead to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness.leaderboard.board import Origin


@dataclass(frozen=True)
class Places:
    """Seen from the folder that the leaderboard is written to."""

    folder: Path

    def link(self, origin: Origin) -> str:
        """A relative URL of a run's report, or of its record where it has none; empty for what was published."""
        if origin.path is None:
            return ""
        inside = [origin.path / name for name in ("report.html", "report.md", "run.json")]
        target = next((p for p in inside if p.is_file()), origin.path)
        return quote(Path(os.path.relpath(target.resolve(), self.folder.resolve())).as_posix())
