"""Warnings of stages whose tasks did not fail, such as prompts that were cut or rows that were left out.

A stage lists them in its facts as ``warnings``, a list of sentences. They are shown next to the verdict, also if the
artifact came from the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.compare import wording
from harness.store.record import Run, TaskInfo

WARNINGS = "warnings"
NAMED = 3
"""Maximum number of tasks named for one warning."""


class Warned(NamedTuple):
    """One warning, and the tasks that have it."""

    sentence: str
    tasks: Sequence[TaskInfo]

    @property
    def who(self) -> str:
        return wording.listed([wording.label(task) for task in self.tasks], NAMED)


def warned(run: Run) -> list[Warned]:
    """Return the warnings of a run, each once, in the order of its tasks."""
    found: dict[str, list[TaskInfo]] = {}
    for task in run.tasks:
        for name, value in task.facts.items():
            if name.rpartition(".")[2] == WARNINGS and isinstance(value, list | tuple):
                for sentence in value:
                    found.setdefault(str(sentence), []).append(task)
    return [Warned(sentence, tasks) for sentence, tasks in found.items()]
