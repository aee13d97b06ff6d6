"""A suite with the changes that were asked for, made ready to run: loaded, its sources found, its tasks planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import suite as suites
from harness.artifact import Json
from harness.engine.executors import Executor
from harness.engine.plan import Plan, make
from harness.engine.suite_sources import resolve
from harness.errors import UsageError, nearest
from harness.evaluation.executor_choice import Wanted, executor
from harness.store import project as places
from harness.store.artifacts import Store
from harness.store.tiers import open_store
from harness.suite import Suite, continued


@dataclass(frozen=True)
class Request:
    """A suite file and the changes to it."""

    suite: Path
    set: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    mirror: Path | None = None
    store: Path | None = None
    where: Wanted = field(default_factory=Wanted)


@dataclass(frozen=True)
class Prepared:
    """A suite that is ready to run."""

    plan: Plan
    store: Store
    executor: Executor
    sources: list[dict[str, Json]]


def prepare(request: Request, *, download: bool, most_seeds: int | None = None) -> Prepared:
    """Load, resolve and plan. Every mistake in the suite is found here, before anything runs.

    With ``most_seeds`` the sources of that many repeats are looked up, where each repeat has its own.

    Raises:
        UsageError: a mistake in the suite, in the changes to it, in its sources, or in ``harness.toml``.
    """
    suite = suites.load(request.suite, set_=request.set)
    only = suites.parse_only(suite, request.only)
    runs_tasks = executor(request.where, suite.project)
    try:
        store = open_store(request.store, suite.project)
        own = len(suite.seeds[0].values) if suite.seeds else 0
        wider = continued(suite, most_seeds) if most_seeds is not None and most_seeds > own else suite
        found, sources = resolve(wider, mirror=places.mirror(request.mirror), store=store, download=download)
        suite = replace(found, seeds=suite.seeds)
        plan = make(suite, only=only, code=runs_tasks.code(suite, store))
    except BaseException:
        runs_tasks.close()
        raise
    return Prepared(plan, store, runs_tasks, sources)


def check_fresh(fresh: Sequence[str], suite: Suite) -> None:
    """Check the names of stages that shall be executed again.

    Raises:
        UsageError: a name that is no stage of the suite.
    """
    for name in fresh:
        if name not in suite.nodes:
            raise UsageError(f"--fresh {name}: no such stage{nearest(name, suite.nodes)}")
