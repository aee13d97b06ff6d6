"""Make the record of a run from a plan and the outcomes of its tasks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.artifact import Json
from harness.engine.attempt import Outcome
from harness.engine.keys import defaults
from harness.engine.plan import Plan, PlannedRepeat, PlannedScore, Task, TaskId
from harness.engine.repeat_sources import used
from harness.formats.escapes import visible
from harness.store.artifacts import Store
from harness.store.entries import ITEMS, ONLY, content_digest, content_of, read_of
from harness.store.environment import DISTRIBUTIONS, environment, installed, installed_digest, kept_installed
from harness.store.items import ItemRows, read_stored_items
from harness.store.project import new_id
from harness.store.record import (
    KEY_DIGITS,
    GateInfo,
    Made,
    Read,
    Repeat,
    Run,
    Score,
    TaskInfo,
    environment_id,
)
from harness.suite import Suite
from harness.suite.typed import to_json


@dataclass(frozen=True)
class Invocation:
    """Facts about the invocation itself."""

    id: str
    started: str
    arguments: Sequence[str] | None = None
    """Of the command that does the same; None: those of this process."""

    @classmethod
    def now(cls, reports: Path, arguments: Sequence[str] | None = None) -> Invocation:
        """An invocation that begins now, in the project that the folder ``reports`` belongs to."""
        moment = datetime.now(UTC)
        return cls(new_id(reports, moment), moment.isoformat(timespec="seconds"), arguments)


def assemble(
    plan: Plan,
    outcomes: Mapping[TaskId, Outcome],
    invocation: Invocation,
    wall_s: float,
    sources: list[dict[str, Json]],
    store: Store,
) -> Run:
    """The record of one invocation: all scores, tasks and environments."""
    suite = plan.suite
    here = environment()
    seen = {environment_id(here): here}
    scores = tuple(_score(plan, s, outcomes, seen) for s in plan.scores)
    return Run(
        id=invocation.id,
        suite=suite.name,
        about=suite.about,
        started=invocation.started,
        wall_s=round(wall_s, 3),
        declaration=declaration(suite),
        metrics=plan.metrics,
        gates=gate_infos(suite),
        reference=reference_json(suite),
        defaults=defaults(suite),
        scores=scores,
        tasks=tuple(_task(t, outcomes[t.id]) for t in plan.tasks.values()),
        environments=seen,
        environment=environment_id(here),
        distributions=distributions(seen, store),
        sources=tuple(sources),
        only={name: [suite.shown(name, v) for v in values] for name, values in plan.only.items()},
        provenance={
            **provenance(suite.project),
            "command": command_line(suite.project, invocation.arguments),
        },
        code=plan.code,
    )


def provenance(project: Path) -> dict[str, Json]:
    """The project's commit and whether the tree differs from it; empty outside a git repository."""

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(project), *arguments]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, timeout=20, check=True
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}


_PLACES = {"--out": False, "--store": False, "--mirror": True}
"""Options for paths on this machine → whether reproducing the run needs such a path."""


def command_line(project: Path, arguments: Sequence[str] | None = None) -> list[Json]:
    """A command for reproducing a run anywhere: its arguments without paths that exist only on this machine.

    A path inside the project becomes relative to it, a mirror becomes ``DIR``, and output paths are left out.

    Args:
        project: the project's folder.
        arguments: of the command; by default those of this process.
    """
    told: list[Json] = ["harness"]
    words = iter(sys.argv[1:] if arguments is None else arguments)
    for word in words:
        option, equals, _ = word.partition("=")
        if option in _PLACES:
            if not equals:
                next(words, None)
            told += [option, "DIR"] if _PLACES[option] else []
        else:
            path = Path(word)
            inside = path.is_absolute() and path.is_relative_to(project)
            told.append(visible(path.relative_to(project).as_posix() if inside else word, lines=True))
    return told


def distributions(
    environments: Mapping[str, Mapping[str, Json]], store: Store
) -> dict[str, Mapping[str, Json]]:
    """The lists behind the digests in environments, by digest, as far as this machine has them."""
    here = installed()
    digests = {str(e[DISTRIBUTIONS]) for e in environments.values() if DISTRIBUTIONS in e}
    known: dict[str, Mapping[str, Json]] = {
        installed_digest(here): here,
        **kept_installed(store.root, digests),
    }
    return {digest: known[digest] for digest in sorted(digests & known.keys())}


def _score(
    plan: Plan, planned: PlannedScore, outcomes: Mapping[TaskId, Outcome], seen: dict[str, dict[str, Json]]
) -> Score:
    repeats = tuple(_repeat(plan, r, outcomes, seen) for r in planned.repeats)
    return Score(planned.metric, planned.point, planned.settings, planned.protocol, repeats)


def _repeat(
    plan: Plan, planned: PlannedRepeat, outcomes: Mapping[TaskId, Outcome], seen: dict[str, dict[str, Json]]
) -> Repeat:
    outcome, key = outcomes[planned.task], planned.task[1]
    if outcome.entry is None or outcome.entry.result is None:
        return Repeat(planned.seeds, key, {}, error=outcome.error or outcome.state)
    result = outcome.entry.result
    conditions = {f"{planned.task[0]}.{name}": value for name, value in result.conditions.items()}
    for task in plan.behind(planned.task, protocol_only=True):
        entry = outcomes[task.id].entry
        for output in entry.outputs.values() if entry else ():
            conditions.update({f"{task.node}.{name}": value for name, value in output.conditions.items()})
    path = plan.subject_path(planned.task)
    environments = set()
    for task in path:
        entry = outcomes[task.id].entry
        if entry is not None:
            name = environment_id(entry.environment)
            seen.setdefault(name, dict(entry.environment))
            environments.add(name)
    executed = any(outcomes[t.id].state == "executed" for t in path)
    return Repeat(
        planned.seeds,
        key,
        result.values,
        conditions,
        result.details,
        executed,
        tuple(sorted(environments)),
        result.items,
        result.steps,
        read=_read(plan.tasks[planned.task], outcomes),
        drawn=_drawn(plan, planned.task, outcomes),
        tested=_tested(plan, planned.task, outcomes),
        clocked=all(outcomes[s].state == "executed" for s in plan.tasks[planned.task].sources),
    )


def _read(task: Task, outcomes: Mapping[TaskId, Outcome]) -> Read | None:
    """What a metric's task read; None if it is not known."""
    entry = outcomes[task.id].entry
    if entry is not None and entry.result is not None and entry.result.read is not None:
        return entry.result.read
    return read_of(
        {
            name: [(outcomes[source].entry, output or ONLY) for source, output in taken]
            for name, taken in task.inputs.items()
        }
    )


def _drawn(plan: Plan, metric: TaskId, outcomes: Mapping[TaskId, Outcome]) -> dict[str, Made]:
    """The outputs of those stages behind a metric that a seed affects, as they were when they were used."""
    behind = sorted(plan.behind(metric), key=lambda t: t.node)
    contents = _contents(behind, outcomes)
    return {
        task.node: Made(task.key[:KEY_DIGITS], contents[task.key])
        for task in behind
        if task.id != metric and task.stage.draws(task.parameters)
    }


def _tested(plan: Plan, metric: TaskId, outcomes: Mapping[TaskId, Outcome]) -> dict[str, Made]:
    """The outputs of the stages of the subject behind a metric, as they were when they were used."""
    behind = sorted(plan.behind(metric), key=lambda t: t.node)
    contents = _contents(behind, outcomes)
    subject = {name.partition(".")[0] for name in plan.suite.subject}
    return {
        task.node: Made(task.key[:KEY_DIGITS], contents[task.key]) for task in behind if task.node in subject
    }


def _contents(behind: Sequence[Task], outcomes: Mapping[TaskId, Outcome]) -> dict[str, str]:
    """Key → digest of the output as the tasks after it used it; empty text if it is not known."""
    used: dict[str, set[str]] = {}
    for task in behind:
        entry = outcomes[task.id].entry
        for key, content in (entry.made_from if entry else {}).items():
            used.setdefault(key, set()).add(content)
    found: dict[str, str] = {}
    for task in behind:
        entry = outcomes[task.id].entry
        contents = sorted(used.get(task.key, ())) or ([content_of(entry)] if entry else [""])
        found[task.key] = contents[0] if len(contents) == 1 else content_digest("several", list(contents))
    return found


def _task(task: Task, outcome: Outcome) -> TaskInfo:
    entry = outcome.entry
    facts: dict[str, Json] = {}
    for name, output in entry.outputs.items() if entry else ():
        facts.update({(k if name == ONLY else f"{name}.{k}"): v for k, v in output.facts.items()})
    wall_s = entry.wall_s if entry else outcome.wall_s
    return TaskInfo(task.node, task.key, task.point, task.seeds, outcome.state, wall_s, facts, outcome.error)


def item_rows(run: Run, store: Store) -> Iterator[ItemRows]:
    """The per-item rows behind a run's scores, read from the store, one repeat at a time."""
    for score in run.scores:
        for repeat in score.repeats:
            if repeat.items:
                items = read_stored_items(store.folder(repeat.key) / ITEMS)
                yield ItemRows(score.metric, score.point, repeat.seeds, items)


def gate_infos(suite: Suite) -> tuple[GateInfo, ...]:
    return tuple(
        GateInfo(
            g.metric,
            g.field,
            g.margin.value,
            g.margin.relative,
            {name: suite.shown(name, v) for name, v in g.at.items()},
            g.against_reference,
        )
        for g in suite.gates
    )


def reference_json(suite: Suite) -> dict[str, Json]:
    """The reference point of a suite as a record has it."""
    return {name: suite.shown(name, v) for name, v in suite.reference.items()}


def declaration(suite: Suite) -> dict[str, Json]:
    """The suite with all values bound, as plain JSON, so that the record keeps what ran even if the file changes."""
    suite = used(suite)
    nodes: dict[str, dict[str, Json]] = {}
    for name, node in suite.nodes.items():
        inputs: dict[str, Json] = {n: [str(r) for r in refs] for n, refs in node.inputs.items()}
        parameters = {n: to_json(v) for n, v in node.parameters.items()}
        nodes[name] = {"use": node.stage.name, "inputs": inputs, "parameters": parameters}
        if node.image is not None:
            nodes[name]["image"] = node.image.text
    matrix = {a.field: [suite.spelled(a.field, v) for v in a.values] for a in suite.matrix}
    named: dict[str, Json] = {
        a.field: shown
        for a in suite.matrix
        if (shown := [suite.shown(a.field, v) for v in a.values]) != matrix[a.field]
    }
    return {
        "stages": nodes,
        "subject": list(suite.subject),
        "matrix": matrix,
        **({"names": named} if named else {}),
        "seeds": {a.field: list(a.values) for a in suite.seeds},
        "exclude": [{n: suite.spelled(n, v) for n, v in e.items()} for e in suite.exclude],
    }


def failure_logs(outcomes: Mapping[TaskId, Outcome]) -> dict[str, Path]:
    """``node-key`` → the log file of each task that failed in this run."""
    return {
        f"{node}-{key[:8]}": outcome.log
        for (node, key), outcome in outcomes.items()
        if outcome.state == "failed" and outcome.log is not None and outcome.log.exists()
    }
