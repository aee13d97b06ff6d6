"""Execute a plan: reuse what the store has, run what a missing score needs, and continue after a failed task."""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from queue import Empty, SimpleQueue
from typing import Literal

from harness.artifact import Artifact
from harness.engine.attempt import Attempt, Outcome, call_of
from harness.engine.device_fit import unfit
from harness.engine.executors import Ended, Executor, Lost, Message, Post, Progressed, Slot, Withdrawn
from harness.engine.outcome import CallOutcome
from harness.engine.plan import Plan, Task, TaskId
from harness.errors import StageError, UsageError
from harness.store.artifacts import Store
from harness.store.entries import ONLY
from harness.store.needs import need

ATTEMPTS = 3
"""How often a call is begun whose worker is lost each time."""
POLL_S = 0.2
"""Seconds between two looks at a key that another process is making."""


@dataclass(frozen=True)
class Event:
    """Something to report during a run."""

    kind: Literal[
        "cached", "started", "progress", "executed", "failed", "skipped", "waiting", "damaged", "lost"
    ]
    task: Task
    done: int = 0
    total: int = 0
    what: str = ""
    """The unit of progress, the message of a failure, the holder of the lock that is waited for, or why a worker was
    lost (the call was begun ``done`` of at most ``total`` times; 0 if its slot had no room for it)."""


@dataclass
class Runner:
    """Executes plans against one store, in the slots of an executor.

    Args:
        fresh: nodes to execute again, with everything downstream of them, even if the store has them.
        tell: called with every event, on the calling thread.
    """

    store: Store
    executor: Executor
    fresh: frozenset[str] = frozenset()
    tell: Callable[[Event], None] = lambda event: None
    most_devices: int = field(default=0, init=False)
    """The most accelerators that a slot has, or had before it was withdrawn."""
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
                    self.settle(task, Outcome("cached", entry))
        needed = self._needed(plan)
        if needed:
            with _Walk(self, plan, needed, stale) as walk:
                walk.run()
        # Tasks that are not in the store and that no missing score needed were not visited.
        return {t.id: self._outcomes.get(t.key, Outcome("skipped")) for t in plan.tasks.values()}

    def lacks(self, plan: Plan) -> bool:
        """Whether a part of the plan has to be executed, as far as that is known without reading the files."""
        wanted = {plan.tasks[r.task].key for s in plan.scores for r in s.repeats}
        wanted |= {plan.tasks[picture].key for picture in plan.pictures}
        return bool(wanted & self._stale(plan)) or not all(map(self.store.has, wanted))

    def of(self, task: Task) -> Outcome | None:
        """The outcome of a task, if it is known already."""
        return self._outcomes.get(task.key)

    def settle(self, task: Task, outcome: Outcome) -> None:
        """Note the outcome of a task."""
        self._outcomes[task.key] = outcome
        self.tell(Event(outcome.state, task, what=outcome.error or ""))

    def _stale(self, plan: Plan) -> set[str]:
        """The keys of the tasks that ``fresh`` asks to execute again."""
        stale: set[str] = set()
        for task in plan.tasks.values():
            if task.node in self.fresh or any(key in stale for _, key in task.sources):
                stale.add(task.key)
        return stale

    def _needed(self, plan: Plan) -> list[Task]:
        """What has to be executed, each task after those that it takes from.

        The files of every stored artifact that is read, and of every score, are compared with their checksums: a task
        whose files differ is executed again.
        """
        targets = [r.task for s in plan.scores for r in s.repeats] + list(plan.pictures)
        needed: list[Task] = []
        seen: set[str] = set()
        waiting = [(plan.tasks[t], False) for t in reversed(targets)]
        while waiting:
            task, is_ready = waiting.pop()
            if is_ready:
                needed.append(task)
            elif task.key not in seen:
                seen.add(task.key)
                if not self._is_usable(task):
                    waiting.append((task, True))
                    waiting += [(plan.tasks[s], False) for s in reversed(task.sources)]
        return needed

    def _is_usable(self, task: Task) -> bool:
        """Whether a task is settled, with intact files if it has any."""
        outcome = self._outcomes.get(task.key)
        if outcome is None or outcome.entry is None or self.store.is_intact(outcome.entry):
            return outcome is not None
        self.tell(Event("damaged", task))
        self.store.discard(task.key)
        del self._outcomes[task.key]
        return False


class _Walk:
    """Works through the tasks of a plan that have to be executed, as their inputs become ready and slots free."""

    def __init__(self, runner: Runner, plan: Plan, needed: list[Task], stale: set[str]) -> None:
        self._runner = runner
        self._store = runner.store
        self._plan = plan
        self._stale = stale
        self._tasks = {task.key: task for task in needed}
        self._place = {task.key: place for place, task in enumerate(needed)}
        self._graph: TopologicalSorter[str] = TopologicalSorter(
            {t.key: {key for _, key in t.sources if key in self._tasks} for t in needed}
        )
        self._graph.prepare()
        self._ready: list[tuple[int, str]] = []
        self._elsewhere: set[str] = set()
        """Keys that another process is making, as last seen."""
        self._running: dict[Slot, Attempt] = {}
        self._messages: SimpleQueue[tuple[Slot, Message]] = SimpleQueue()
        self._thread = threading.get_ident()
        self._slots = list(runner.executor.open(plan, runner.store))
        self._memory_gb = runner.executor.memory_gb()
        runner.most_devices = max([runner.most_devices, *(len(slot.devices) for slot in self._slots)])
        self._check_places("it was withdrawn before")
        impossible = unfit(needed, "cuda" if runner.most_devices else "cpu")
        if impossible:
            raise UsageError("\n".join(impossible))
        self._begun: Counter[str] = Counter()
        """Key → how often its call was begun and its worker lost."""

    def __enter__(self) -> _Walk:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running:  # something was raised: what is in progress is interrupted
            self._runner.executor.close()
            for running in self._running.values():
                running.release.close()

    def run(self) -> None:
        while self._graph.is_active():
            for key in self._graph.get_ready():
                heapq.heappush(self._ready, (self._place[key], key))
            if self._start():
                continue  # what was settled may have made others ready
            if self._running:
                self._listen(None if not self._elsewhere else POLL_S)
            else:  # all that is ready is being made by other processes
                time.sleep(POLL_S)

    def _start(self) -> bool:
        """Start what can be started, and settle what need not be. Returns whether anything was done."""
        is_moved = False
        kept = []
        while self._ready:
            place, key = heapq.heappop(self._ready)
            task = self._tasks[key]
            slot = self._slot_for(task)
            if slot is None and not self._failed_source(task):
                kept.append((place, key))
                if not self._free():
                    break
            elif self._begin(task, slot):
                is_moved = True
            else:
                kept.append((place, key))
        for one in kept:
            heapq.heappush(self._ready, one)
        return is_moved

    def _free(self) -> list[Slot]:
        """The slots that could take a call now, those with the fewest devices first."""
        used = frozenset[str]().union(*(slot.devices for slot in self._running))
        free = [s for s in self._slots if s not in self._running and not s.devices & used]
        return sorted(free, key=lambda s: len(s.devices))

    def _slot_for(self, task: Task) -> Slot | None:
        """The free slot with the fewest devices that suffice for a task."""
        if self._running and not self._fits_memory(task):
            return None
        least = self._devices(task)
        return next((slot for slot in self._free() if len(slot.devices) >= least), None)

    def _devices(self, task: Task) -> int:
        """How many accelerators a task has: as if no slot had been withdrawn, since results may depend on it."""
        most = self._runner.most_devices
        return {"none": 0, "one": min(1, most), "all": most}[task.stage.resources.gpu]

    def _fits_memory(self, task: Task) -> bool:
        """Whether the memory that a task is known to need is left beside what the running ones are known to need."""
        tasks = [task, *(running.task for running in self._running.values())]
        return sum(t.stage.resources.memory_gb or 0.0 for t in tasks) <= self._memory_gb

    def _failed_source(self, task: Task) -> tuple[Task, Outcome] | None:
        for source in task.sources:
            made = self._plan.tasks[source]
            outcome = self._runner.of(made)
            if outcome is not None and outcome.entry is None:
                return made, outcome
        return None

    def _begin(self, task: Task, slot: Slot | None) -> bool:
        """Start a ready task, or settle it without work. False if another process is making it."""
        failed = self._failed_source(task)
        if failed is not None:
            made, ended = failed
            self._settle(task, Outcome("skipped", error=f"needs {made.node}, which {ended.state}"))
            return True
        assert slot is not None
        release = ExitStack()
        holder = release.enter_context(self._store.claim(task.key))
        if holder is not None:
            if task.key not in self._elsewhere:
                self._elsewhere.add(task.key)
                self._runner.tell(Event("waiting", task, what=holder))
            return False
        self._elsewhere.discard(task.key)
        with ExitStack() as on_error:
            on_error.push(release)
            entry = None if task.key in self._stale else self._store.get(task.key)
            if entry is not None:
                self._settle(task, Outcome("cached", entry))
                return True
            self._execute(task, slot, release)
            on_error.pop_all()
        return True

    def _execute(self, task: Task, slot: Slot, release: ExitStack) -> None:
        resume = task.node not in self._runner.fresh or self._begun[task.key] > 0
        work = self._store.begin(task.key, resume=resume)
        self._runner.tell(Event("started", task))
        attempt = Attempt(self._store, task, call_of(task, self._plan, slot, work, self._stored), release)
        self._running[slot] = attempt
        try:
            attempt.begin()
        except (StageError, UsageError) as e:
            self._messages.put((slot, Ended(CallOutcome(task.key, error=str(e), cause="stage"))))
            return
        slot.start(attempt.call, self._post(slot, task))

    def _post(self, slot: Slot, task: Task) -> Post:
        """Passes messages to this thread; progress that is told on this thread is told on at once."""

        def post(message: Message) -> None:
            if isinstance(message, Progressed) and threading.get_ident() == self._thread:
                self._progressed(task, message)
            else:
                self._messages.put((slot, message))

        return post

    def _listen(self, timeout: float | None) -> None:
        try:
            slot, message = self._messages.get(timeout=timeout)
        except Empty:
            return
        running = self._running[slot]
        if isinstance(message, Progressed):
            self._progressed(running.task, message)
        elif isinstance(message, Ended):
            self._finish(slot, message.outcome)
        elif isinstance(message, Lost):
            self._begun[running.task.key] += 1
            self._again(slot, message.why)
        elif isinstance(message, Withdrawn):
            self._withdraw(slot, message.why)

    def _finish(self, slot: Slot, told: CallOutcome) -> None:
        running = self._running[slot]
        outcome = running.end(told)
        del self._running[slot]
        running.release.close()
        self._settle(running.task, outcome)

    def _again(self, slot: Slot, why: str) -> None:
        """Let a call be begun again, in a new work folder: a lost worker may live on, and write into its own."""
        task = self._running[slot].task
        begun = self._begun[task.key]
        if begun >= ATTEMPTS:
            why = f"{why}; begun {begun} times"
            self._finish(slot, CallOutcome(task.key, error=why, cause="resources"))
            return
        self._put_back(slot, Event("lost", task, begun, ATTEMPTS, why))

    def _put_back(self, slot: Slot, event: Event) -> None:
        self._runner.tell(event)
        self._running.pop(slot).release.close()
        heapq.heappush(self._ready, (self._place[event.task.key], event.task.key))

    def _withdraw(self, slot: Slot, why: str) -> None:
        """Go on without a slot.

        Raises:
            UsageError: a task is left for which no other one has accelerators enough.
        """
        self._slots.remove(slot)
        self._check_places(why)
        self._put_back(slot, Event("lost", self._running[slot].task, what=why))

    def _check_places(self, why: str) -> None:
        most = max((len(slot.devices) for slot in self._slots), default=-1)
        for task in self._tasks.values():
            if self._runner.of(task) is None and self._devices(task) > most:
                raise UsageError(f"no place is left for {task.node}: {why}; what is finished is kept")

    def _progressed(self, task: Task, message: Progressed) -> None:
        self._runner.tell(Event("progress", task, message.done, message.total, message.what))

    def _settle(self, task: Task, outcome: Outcome) -> None:
        self._runner.settle(task, outcome)
        self._graph.done(task.key)

    def _stored(self, made: Task, output: str) -> Artifact:
        outcome = self._runner.of(made)
        assert outcome is not None
        assert outcome.entry is not None
        stored = outcome.entry.outputs[output or ONLY]
        folder = self._store.folder(made.key).absolute() / (output or ONLY)
        return made.stage.outputs[output](folder, stored.facts, stored.conditions)
