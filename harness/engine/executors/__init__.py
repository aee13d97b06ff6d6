"""Who runs a task. An executor gets a call with everything resolved, and returns what the stage returned.

The protocol is one method, so that a container or a cluster is one small class; ``local`` runs the stage in
this very process, which is also what a debugger wants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.artifact import Artifact, Json
from harness.stage import Stage

Inputs = Mapping[str, Artifact | tuple[Artifact, ...]]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Call:
    """One execution of one stage."""

    stage: Stage
    inputs: Inputs
    parameters: Mapping[str, Any]
    work: Path
    """Holds ``scratch`` (kept from a killed try) and ``entry`` (empty: outputs go below it)."""


@dataclass(frozen=True)
class Executed:
    """What came of a call."""

    returned: Any
    """By the stage function."""
    environment: Mapping[str, Json]
    """Where it was computed, as the process that computed it says."""
    distributions: Mapping[str, Json]
    """What is installed there: distribution → version."""


class Executor(Protocol):
    """Runs one call at a time."""

    @property
    def device(self) -> str:
        """The device class that executions run on, ``"cpu"`` or the accelerator's name."""

    def execute(self, call: Call, progress: Progress) -> Executed:
        """Run the stage function.

        Raises:
            StageError: the task failed; the message is one line, the log is in ``work/log.txt``.
        """
