"""Executors run tasks. An executor gets a call with everything resolved, and returns what the stage returned.

The protocol is one method, so an executor for a container or a cluster is one small class. ``local`` runs the stage
in this process, which also allows debugging.
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
    """Work folder. It has ``scratch`` (kept from a killed attempt) and ``entry`` (empty; outputs go below it)."""


@dataclass(frozen=True)
class Executed:
    """The result of a call."""

    returned: Any
    """What the stage function returned."""
    environment: Mapping[str, Json]
    """The environment of the computation, as reported by the process that computed it."""
    distributions: Mapping[str, Json]
    """What is installed there: distribution → version."""


class Executor(Protocol):
    """Runs one call at a time."""

    @property
    def device(self) -> str:
        """The device class of the executions: ``"cpu"`` or the accelerator's name."""

    def execute(self, call: Call, progress: Progress) -> Executed:
        """Run the stage function.

        Raises:
            StageError: the task failed. The message is one line; the log is in ``work/log.txt``.
        """
