"""What stages did that somebody should know of though no task failed: prompts that were cut, rows that were left out.

A stage says it in its facts, as ``warnings``: sentences. They stand beside the verdict, also where the artifact came
from the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.compare import wording
from harness.store.record import Run, TaskInfo

WARNINGS = "warnings"
NAMED = 3
"""Tasks that are named of one warning."""


class Warned(NamedTuple):
    """One sentence, and the tasks that say it."""

    sentence: str
    tasks: Sequence[TaskInfo]

    @property
    def who(self) -> str:
        return wording.listed([wording.label(task) for task in self.tasks], NAMED)


def warned(run: Run) -> list[Warned]:
    """The warnings of a run, each once, in the order of its tasks."""
    found: dict[str, list[TaskInfo]] = {}
    for task in run.tasks:
        for name, value in task.facts.items():
            if name.rpartition(".")[2] == WARNINGS and isinstance(value, list | tuple):
                for sentence in value:
                    found.setdefault(str(sentence), []).append(task)
    return [Warned(sentence, tasks) for sentence, tasks in found.items()]
