"""One execution of a task as the driver sees it: the call before it, and the stored entry or the failure after it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from harness.artifact import Artifact
from harness.engine import call as calls
from harness.engine import outcome as outcomes
from harness.engine.call import Call, Given
from harness.engine.executors import Slot
from harness.engine.outcome import CallOutcome
from harness.engine.plan import Plan, Task
from harness.engine.suite_sources import check_unchanged, digest_cache
from harness.errors import StageError, StoreError
from harness.formats.escapes import visible
from harness.store.artifacts import Store, check_tree
from harness.store.entries import ONLY, Entry, content_of, read_of
from harness.store.environment import device_class
from harness.suite.typed import to_json


@dataclass(frozen=True)
class Outcome:
    """The result of a task in this run."""

    state: Literal["cached", "executed", "failed", "skipped"]
    entry: Entry | None = None
    error: str | None = None
    log: Path | None = None
    wall_s: float = 0.0
    """Duration of a failed execution, in seconds; for other tasks the entry has it."""


@dataclass
class Attempt:
    """An execution in progress.

    Args:
        store: where its entry goes.
        task: what is executed.
        call: what its worker gets.
        release: gives back the claim of its key.
    """

    store: Store
    task: Task
    call: Call
    release: ExitStack
    began: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """Write the call into its work folder.

        Raises:
            StageError: a file that the task reads was changed since the run was planned.
            UsageError: a parameter cannot be written.
            StoreError: the store cannot be written.
        """
        self._check_unchanged("since the run was planned")
        with self.store.errors():
            calls.write(self.call)

    def end(self, told: CallOutcome) -> Outcome:
        """Commit what the call made, or keep its log.

        Raises:
            StoreError: a full disk: every further task would fail in the same way.
        """
        task, work = self.task, self.call.work
        if told.cause == "storage":
            raise StoreError(self.store.root, (told.error or "").rpartition(": ")[2])
        try:
            if told.error is not None:
                raise StageError(told.error)
            if told.key != task.key:
                raise StageError(f"{task.stage.name}: the worker told of another key")
            self._check_unchanged("while it was read")
            outcomes.check_kinds(told, task.stage)
            check_tree(work / "entry")
        except StageError as e:
            if not told.keeps_progress:  # a retry after a fault of the work starts afresh
                shutil.rmtree(work / "scratch", ignore_errors=True)
            wall_s = round(time.monotonic() - self.began, 6)
            return Outcome("failed", error=visible(str(e), lines=True), log=work / "log.txt", wall_s=wall_s)
        self.store.keep_distributions(told.distributions)
        wall_s = round(told.wall_s, 3)
        given = {
            name: [(self.store.get(one.key), one.output or ONLY) for one in several]
            for name, several in self.call.inputs.items()
        }
        made_from = {e.key: content_of(e) for several in given.values() for e, _ in several if e is not None}
        result = None if told.result is None else replace(told.result, read=read_of(given))
        entry = Entry(
            task.key, task.stage.name, told.outputs, result, wall_s, told.environment, {}, made_from
        )
        entry = self.store.commit(entry)
        settings = {name: to_json(v) for name, v in task.parameters.items()}
        self.store.note_timing(task.stage.name, settings, device_class(told.environment), entry.wall_s)
        return Outcome("executed", entry)

    def _check_unchanged(self, when: str) -> None:
        """Check that the key still matches what the task reads: files may change during earlier tasks or this one."""
        check_unchanged(self.task.parameters, self.task.keyed, digest_cache(self.store), when=when)


def call_of(task: Task, plan: Plan, slot: Slot, work: Path, stored: Callable[[Task, str], Artifact]) -> Call:
    """The call of a task.

    Args:
        task: what is to be executed.
        plan: the plan that it is part of.
        slot: where it will be executed.
        work: its work folder.
        stored: the artifact of another task's output, from the store.
    """
    inputs = {
        name: tuple(
            Given(key, output, stored(plan.tasks[node, key], output)) for (node, key), output in taken
        )
        for name, taken in task.inputs.items()
    }
    uses_gpu = bool(slot.devices) and task.stage.resources.gpu != "none"
    return Call(
        task.node,
        task.key,
        task.stage,
        plan.code[task.node],
        task.parameters,
        inputs,
        "cuda" if uses_gpu else "cpu",
        work.absolute(),  # a worker may have another working folder
        slot.threads,
    )
