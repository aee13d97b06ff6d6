"""Execute a plan: reuse what the store has, run what a missing score needs, and continue after a failed task."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from harness.artifact import Artifact, Json
from harness.engine import code_digest
from harness.engine.executors import Call, Executed, Executor
from harness.engine.plan import Plan, Task, TaskId
from harness.engine.suite_sources import check_unchanged, digest_cache
from harness.errors import HarnessError, ResourceError, StageError, StoreError, described
from harness.formats.escapes import visible
from harness.formats.strict_json import canonical
from harness.stage import BESIDE_VALUES, LARGEST, Items, Scores
from harness.store.artifacts import Store, check_tree
from harness.store.entries import ITEMS, ONLY, Entry, Output, Result
from harness.store.needs import need
from harness.suite.typed import to_json


@dataclass(frozen=True)
class Event:
    """Something to report during a run."""

    kind: Literal["cached", "started", "progress", "executed", "failed", "skipped", "waiting", "damaged"]
    task: Task
    done: int = 0
    total: int = 0
    what: str = ""
    """The unit of progress, the message of a failure, or the holder of the lock that is waited for."""


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
class Runner:
    """Executes plans against one store.

    Args:
        fresh: nodes to execute again, with everything downstream of them, even if the store has them.
        tell: called with every event, on the calling thread.
    """

    store: Store
    executor: Executor
    fresh: frozenset[str] = frozenset()
    tell: Callable[[Event], None] = lambda event: None
    _outcomes: dict[str, Outcome] = field(default_factory=dict)

    def run(self, plan: Plan) -> dict[TaskId, Outcome]:
        """The outcome of every task of the plan. Executes only what a missing score or picture needs.

        Raises:
            StoreError: the store cannot be used. KeyboardInterrupt propagates; finished work is kept.
        """
        need(self.store, plan.keys)
        stale = self._stale(plan)
        for task in plan.tasks.values():
            if task.key not in stale and task.key not in self._outcomes:
                entry = self.store.get(task.key)
                if entry is not None:
                    self._settle(task, Outcome("cached", entry))
        for score in plan.scores:
            for repeat in score.repeats:
                self._intact(plan, plan.tasks[repeat.task], stale)
        for picture in plan.pictures:
            self._intact(plan, plan.tasks[picture], stale)
        # Tasks that are not in the store and that no missing score needed were not visited.
        return {t.id: self._outcomes.get(t.key, Outcome("skipped")) for t in plan.tasks.values()}

    def lacks(self, plan: Plan) -> bool:
        """Whether a part of the plan has to be executed, as far as that is known without reading the files."""
        wanted = {plan.tasks[r.task].key for s in plan.scores for r in s.repeats}
        wanted |= {plan.tasks[picture].key for picture in plan.pictures}
        return bool(wanted & self._stale(plan)) or not all(map(self.store.has, wanted))

    def _stale(self, plan: Plan) -> set[str]:
        """The keys of the tasks that ``fresh`` asks to execute again."""
        stale: set[str] = set()
        for task in plan.tasks.values():
            if task.node in self.fresh or any(key in stale for _, key in task.sources):
                stale.add(task.key)
        return stale

    def _ensure(self, plan: Plan, task: Task, stale: set[str]) -> Outcome:
        done = self._outcomes.get(task.key)
        if done is None:
            entry = None if task.key in stale else self.store.get(task.key)
            if entry is not None:
                done = self._settle(task, Outcome("cached", entry))
            else:
                done = self._settle(task, self._make(plan, task, stale))
        return done

    def _settle(self, task: Task, outcome: Outcome) -> Outcome:
        self._outcomes[task.key] = outcome
        self.tell(Event(outcome.state, task, what=outcome.error or ""))
        return outcome

    def _make(self, plan: Plan, task: Task, stale: set[str]) -> Outcome:
        sources = [plan.tasks[s] for s in task.sources]
        for made in sources:
            outcome = self._intact(plan, made, stale)
            if outcome.entry is None:
                return Outcome("skipped", error=f"needs {made.node}, which {outcome.state}")
        with self.store.claim(task.key, lambda holder: self.tell(Event("waiting", task, what=holder))):
            entry = None if task.key in stale else self.store.get(task.key)
            if entry is not None:
                return Outcome("cached", entry)
            return self._execute(plan, task)

    def _intact(self, plan: Plan, task: Task, stale: set[str]) -> Outcome:
        """The outcome of a task whose files will be read; made again if the files differ from what was stored."""
        outcome = self._ensure(plan, task, stale)
        if outcome.entry is not None and not self.store.is_intact(outcome.entry):
            self.tell(Event("damaged", task))
            self.store.discard(task.key)
            del self._outcomes[task.key]
            outcome = self._ensure(plan, task, stale)
        return outcome

    def _execute(self, plan: Plan, task: Task) -> Outcome:
        work = self.store.begin(task.key, resume=task.node not in self.fresh)
        self.tell(Event("started", task))
        call = Call(task.stage, self._inputs(plan, task), task.parameters, work)
        started = time.monotonic()
        try:
            _check_code(task)
            self._check_unchanged(task, "since the run was planned")
            executed = self.executor.execute(
                call, lambda d, n, w: self.tell(Event("progress", task, d, n, w))
            )
            self._check_unchanged(task, "while it was read")
            entry = _storable(task, executed, work, time.monotonic() - started)
            _check_code(task)
        except StoreError:  # a full disk: every further task would fail in the same way
            raise
        except HarnessError as e:
            if not isinstance(e, ResourceError) and not isinstance(e.__cause__, OSError):
                # A full disk or lack of memory keeps the training progress; after other errors a retry starts afresh.
                shutil.rmtree(work / "scratch", ignore_errors=True)
            return Outcome(
                "failed",
                error=visible(str(e), lines=True),
                log=work / "log.txt",
                wall_s=round(time.monotonic() - started, 6),
            )
        self.store.keep_distributions(executed.distributions)
        entry = self.store.commit(entry)
        settings = {name: to_json(v) for name, v in task.parameters.items()}
        self.store.note_timing(task.stage.name, settings, self.executor.device, entry.wall_s)
        return Outcome("executed", entry)

    def _check_unchanged(self, task: Task, when: str) -> None:
        """Check that the task's key still matches what it reads: files may change during earlier tasks or this one."""
        check_unchanged(task.parameters, task.keyed, digest_cache(self.store), when=when)

    def _inputs(self, plan: Plan, task: Task) -> dict[str, Artifact | tuple[Artifact, ...]]:
        inputs: dict[str, Artifact | tuple[Artifact, ...]] = {}
        for name, taken in task.inputs.items():
            artifacts = tuple(self._artifact(plan.tasks[made], output) for made, output in taken)
            inputs[name] = artifacts if task.stage.inputs[name].many else artifacts[0]
        return inputs

    def _artifact(self, made: Task, output: str) -> Artifact:
        entry = self._outcomes[made.key].entry
        assert entry is not None
        stored = entry.outputs[output or ONLY]
        folder = self.store.folder(made.key) / (output or ONLY)
        return made.stage.outputs[output](folder, stored.facts, stored.conditions)


def _check_code(task: Task) -> None:
    """Check that the code that runs is the code that the key identifies.

    Raises:
        StageError: the code was edited since it was digested.
    """
    if file := code_digest.edited(task.stage.function):
        raise StageError(f"{file}: edited since the run was planned, so that nothing is stored; run again")


def _storable(task: Task, executed: Executed, work: Path, wall_s: float) -> Entry:
    """As ``_entry``; what a stage returned may be of any type, and its attributes may raise.

    Raises:
        StageError: as for ``_entry``; or something in it is not what its type says.
    """
    try:
        return _entry(task, executed, work, wall_s)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as e:
        raise StageError(f"{task.stage.name} returned what cannot be stored ({described(e)})") from e


def _entry(task: Task, executed: Executed, work: Path, wall_s: float) -> Entry:
    """The entry for what a stage returned, checked against its signature.

    Raises:
        StageError: the stage returned another type, or a value that is not a finite number.
    """
    made, returned = work / "entry", executed.returned
    check_tree(made)
    outputs: dict[str, Output] = {}
    result = None
    if isinstance(returned, Scores):
        result = _result(returned, made)
    else:
        for name, kind in task.stage.outputs.items():
            value = getattr(returned, name) if name else returned
            if not isinstance(value, kind) or value.path != made / (name or ONLY):
                raise StageError(f"{task.stage.name} did not return {kind.__name__} in job.folder({name!r})")
            outputs[name or ONLY] = Output(kind.__name__, _safe(value.facts), _safe(value.conditions))
    return Entry(task.key, task.stage.name, outputs, result, round(wall_s, 3), executed.environment, {})


def _safe(value: Mapping[str, Json]) -> Mapping[str, Json]:
    try:
        canonical(value).encode()
    except (TypeError, ValueError, RecursionError) as e:
        raise StageError(f"facts, conditions and details must be plain JSON: {e}") from None
    return value


def _result(scores: Scores, made: Path) -> Result:
    values = {f.name: getattr(scores, f.name) for f in fields(scores) if f.name not in BESIDE_VALUES}
    for name, value in values.items():
        if not math.isfinite(value):
            raise StageError(f"{name} is {value}, not a finite number")
        if abs(value) > LARGEST:
            raise StageError(f"{name} is {value}, too large to be compared with anything")
    for name, step in scores.steps.items():
        if name not in values or not 0.0 < step <= LARGEST:
            raise StageError(f"steps: {name!r} is {step}; a step is a positive number and belongs to a field")
    if scores.items is not None:
        _check_items(scores.items, values)
        from harness.store.items import ItemRows, write_items

        write_items(made / ITEMS, [ItemRows("", {}, {}, scores.items)])
    values = {name: float(value) for name, value in values.items()}
    steps = {name: float(step) for name, step in scores.steps.items()}
    return Result(values, _safe(scores.conditions), _safe(scores.details), scores.items is not None, steps)


def _check_items(items: Items, values: Mapping[str, float]) -> None:
    """Check that a column's mean is its field's value: else an interval over items is for another quantity."""
    if len(set(items.item)) != len(items.item):
        raise StageError("items: two rows have the same name")
    for name, column in items.columns.items():
        if len(column) != len(items.item) or name not in values:
            raise StageError(f"items: column {name!r} does not fit the items or the fields")
        mean = math.fsum(column) / len(column)
        if not math.isclose(mean, values[name], rel_tol=1e-5, abs_tol=1e-7):
            raise StageError(f"items: column {name!r} has mean {mean}, its field is {values[name]}")
