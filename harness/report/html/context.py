"""What the sections of a report are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.compare.comparison import Comparison, Difference
from harness.compare.declared import suite_changes
from harness.compare.sample import Side
from harness.compare.trend import Step
from harness.record import Run
from harness.store import Store


@dataclass(frozen=True)
class Context:
    """A run, what it was compared with, and where its evidence lies."""

    run: Run
    comparison: Comparison
    folder: Path
    """Of the run: logs, ``items.parquet``, ``figures/``, ``review.json`` where people rated its images."""
    candidate: Side
    """The run with its per-item rows."""
    baseline: Side | None
    """What it was compared with, with its per-item rows; None where there is none."""
    store: Store
    """Artifacts, as far as they are still there."""
    history: Sequence[Step]
    """The accepted runs of this suite and label, oldest first; empty outside git."""

    @property
    def changes(self) -> tuple[Difference, ...]:
        """What somebody changed in the suite since the baseline; empty where there is none."""
        return suite_changes(self.run, self.baseline.run) if self.baseline else ()
