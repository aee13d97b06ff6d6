"""The record of a run: declaration, scores, tasks, environment. One versioned schema for runs and baselines.

``run.json`` beside ``items.parquet`` is a run, ``<label>.json`` beside ``<label>.items.parquet`` a baseline:
the same schema, trimmed, with ``accepted`` filled in. ``docs/run-json.md`` describes every field.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from harness.artifact import Json
from harness.errors import UsageError

SCHEMA = "harness.run/1"

TaskState = Literal["cached", "executed", "failed", "skipped"]


@dataclass(frozen=True)
class Repeat:
    """One metric at one point for one repeat of the seeds."""

    seeds: Mapping[str, int]
    """The swept seeds that reach the metric, ``node.field`` → value; empty where none does."""
    key: str
    """Of the metric's task."""
    values: Mapping[str, float]
    """By field. Empty where the task failed or was skipped."""
    conditions: Mapping[str, Json] = field(default_factory=dict)
    """Observed while running; they join the protocol."""
    details: Mapping[str, Json] = field(default_factory=dict)
    executed: bool = False
    """Something between the subject and this score ran in this very run (else: all from the cache)."""
    environments: tuple[str, ...] = ()
    """Ids of the environments in which the tasks behind this score were executed."""
    items: bool = False
    """Whether per-item rows of this repeat lie beside the record."""
    error: str | None = None


@dataclass(frozen=True)
class Score:
    """One metric at one point of its own axes, over the repeats."""

    metric: str
    point: Mapping[str, Json]
    settings: Mapping[str, Json]
    """Every ``node.field`` upstream of the metric, swept seeds excluded: what matching looks axes up in."""
    protocol: Mapping[str, Json]
    """The part of ``settings`` that reaches the metric without passing through the subject."""
    claim: Literal["this checkpoint", "this recipe"]
    repeats: tuple[Repeat, ...]

    @property
    def complete(self) -> bool:
        return all(r.values for r in self.repeats)

    def whole_protocol(self) -> dict[str, Json]:
        """The protocol with the observed conditions; a condition that varies over repeats is their list."""
        seen: dict[str, list[Json]] = {}
        for repeat in self.repeats:
            for name, value in repeat.conditions.items():
                values = seen.setdefault(name, [])
                if value not in values:
                    values.append(value)
        conditions = {n: v[0] if len(v) == 1 else sorted(v, key=json.dumps) for n, v in seen.items()}
        return {**self.protocol, **conditions}


@dataclass(frozen=True)
class MetricInfo:
    """What a comparison has to know of a metric without importing it."""

    use: str
    fields: Mapping[str, Mapping[str, Any] | None]
    """Field → ``{"better": "higher" | "lower", "floor": float}``, or None where it has no direction."""
    seeds: tuple[str, ...]
    """The swept seeds that reach the metric, outermost (most upstream) first."""


@dataclass(frozen=True)
class GateInfo:
    """A gate as declared: ``margin`` absolute in the field's unit, or a fraction where ``relative``."""

    metric: str
    field: str
    margin: float
    relative: bool
    at: Mapping[str, Json]
    against_reference: bool


@dataclass(frozen=True)
class TaskInfo:
    """One task of the plan and what became of it."""

    node: str
    key: str
    point: Mapping[str, Json]
    seeds: Mapping[str, int]
    state: TaskState
    wall_s: float
    """What its execution took, whenever that was; 0 where it never ran."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class Accepted:
    """What makes a run a baseline."""

    label: str
    reason: str
    at: str
    """UTC, ISO 8601."""
    digest: str = ""
    """Checksum of the baseline and of its items; what was edited by hand no longer agrees with it."""


@dataclass(frozen=True)
class Run:
    """All scores of a suite from one invocation."""

    id: str
    suite: str
    about: str
    started: str
    """UTC, ISO 8601."""
    wall_s: float
    declaration: Mapping[str, Json]
    metrics: Mapping[str, MetricInfo]
    gates: tuple[GateInfo, ...]
    reference: Mapping[str, Json]
    defaults: Mapping[str, Json]
    """``node.field`` → the default of the stage function: what a side that lacks the field is taken to have."""
    scores: tuple[Score, ...]
    tasks: tuple[TaskInfo, ...]
    environments: Mapping[str, Mapping[str, Json]]
    environment: str
    """Id of the environment of this invocation."""
    sources: tuple[Mapping[str, Json], ...] = ()
    only: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    """What ``--only`` selected; such a run cannot be accepted."""
    provenance: Mapping[str, Json] = field(default_factory=dict)
    accepted: Accepted | None = None

    @property
    def failures(self) -> tuple[TaskInfo, ...]:
        return tuple(t for t in self.tasks if t.state == "failed")

    @property
    def is_complete(self) -> bool:
        """Nothing deselected, nothing failed, every score there."""
        return not self.only and not self.failures and all(s.complete for s in self.scores)


def environment_id(environment: Mapping[str, Json]) -> str:
    return sha256(canonical(environment).encode()).hexdigest()[:12]


def canonical(value: Json | Mapping[str, Any]) -> str:
    """One spelling for equal values: sorted keys, no spaces, no NaN (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def to_json(run: Run) -> dict[str, Any]:
    """The run as JSON. Settings and protocols repeat over thousands of scores, so each stands once, by id."""
    tables: dict[str, dict[str, Mapping[str, Json]]] = {"settings": {}, "protocols": {}}

    def interned(table: str, value: Mapping[str, Json]) -> str:
        name = sha256(canonical(value).encode()).hexdigest()[:12]
        tables[table][name] = value
        return name

    # `asdict` copies every leaf, which costs ten times the rest over thousands of scores.
    body = {
        **vars(run),
        "metrics": {name: dict(vars(info)) for name, info in run.metrics.items()},
        "gates": tuple(dict(vars(gate)) for gate in run.gates),
        "tasks": tuple(dict(vars(task)) for task in run.tasks),
        "accepted": None if run.accepted is None else dict(vars(run.accepted)),
    }
    body["scores"] = [
        {
            **vars(s),
            "settings": interned("settings", s.settings),
            "protocol": interned("protocols", s.protocol),
            "repeats": tuple(dict(vars(r)) for r in s.repeats),
        }
        for s in run.scores
    ]
    return {"schema": SCHEMA, **body, **tables}


def from_json(body: Mapping[str, Any], where: str) -> Run:
    """The inverse of ``to_json``.

    Raises:
        UsageError: not a record, a newer schema, or edited by hand into something inconsistent.
    """
    schema = body.get("schema") if isinstance(body, Mapping) else None
    if not isinstance(schema, str) or not schema.startswith("harness.run/"):
        raise UsageError(f"{where}: not a run or a baseline (no schema {SCHEMA!r})")
    if schema != SCHEMA:
        raise UsageError(f"{where}: written by another version ({schema}); this one reads {SCHEMA}")
    try:
        fields = {k: v for k, v in body.items() if k not in ("schema", "settings", "protocols", "comparison")}
        run = Run(
            **{
                **fields,
                "metrics": {
                    n: MetricInfo(**{**m, "seeds": tuple(m["seeds"])}) for n, m in body["metrics"].items()
                },
                "gates": tuple(GateInfo(**g) for g in body["gates"]),
                "scores": tuple(_score(s, body) for s in body["scores"]),
                "tasks": tuple(TaskInfo(**t) for t in body["tasks"]),
                "sources": tuple(body["sources"]),
                "accepted": Accepted(**body["accepted"]) if body["accepted"] else None,
            }
        )
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        raise UsageError(f"{where}: damaged record ({type(e).__name__}: {e})") from None
    _check_shape(run, where)
    for score in run.scores:
        _check(score, run, where)
    return run


def _check_shape(run: Run, where: str) -> None:
    """JSON of the right names may still hold anything."""
    texts = {name: getattr(run, name) for name in ("id", "suite", "about", "started", "environment")}
    names = ("declaration", "reference", "defaults", "environments", "only", "provenance")
    mappings = {name: getattr(run, name) for name in names}
    for i, score in enumerate(run.scores):
        mappings |= {f"scores[{i}].{name}": getattr(score, name) for name in ("point", "settings", "protocol")}
        for repeat in score.repeats:
            inner = ("seeds", "values", "conditions", "details")
            mappings |= {f"scores[{i}].repeats.{name}": getattr(repeat, name) for name in inner}
    wrong = [n for n, v in texts.items() if not isinstance(v, str)]
    wrong += [n for n, v in mappings.items() if not isinstance(v, dict)]
    if not wrong and not isinstance(run.environments.get(run.environment), dict):
        wrong = ["environment"]
    if wrong:
        raise UsageError(f"{where}: damaged record ({wrong[0]} is not what it should be)")


def _score(body: Mapping[str, Any], tables: Mapping[str, Any]) -> Score:
    repeats = tuple(Repeat(**{**r, "environments": tuple(r["environments"])}) for r in body["repeats"])
    tabled = {
        "settings": tables["settings"][body["settings"]],
        "protocol": tables["protocols"][body["protocol"]],
    }
    return Score(**{**body, **tabled, "repeats": repeats})


def _check(score: Score, run: Run, where: str) -> None:
    info = run.metrics.get(score.metric)
    if info is None:
        raise UsageError(f"{where}: score of a metric {score.metric!r} that is not declared")
    for repeat in score.repeats:
        if repeat.values and set(repeat.values) != set(info.fields):
            raise UsageError(
                f"{where}: {score.metric}: fields {sorted(repeat.values)}, not {sorted(info.fields)}"
            )
        if not all(isinstance(v, int | float) and math.isfinite(v) for v in repeat.values.values()):
            raise UsageError(f"{where}: {score.metric}: a value is not a finite number")


def load(path: Path) -> Run:
    """Read a run folder, its ``run.json``, or a baseline's JSON file.

    Raises:
        UsageError: missing, unreadable, or no record.
    """
    file = path / "run.json" if path.is_dir() else path
    return loads(read_text(file), str(file))


def loads(text: str, where: str) -> Run:
    try:
        body = json.loads(text)
    except ValueError as e:
        raise UsageError(f"{where}: not JSON ({e})") from None
    return from_json(body, where)


def read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "not UTF-8 text"
        raise UsageError(f"{file}: cannot be read ({reason})") from None


def items_file(record: Path) -> Path:
    """The per-item rows of a record: ``items.parquet`` beside ``run.json``, else ``<label>.items.parquet``."""
    if record.is_dir():
        return record / "items.parquet"
    return record.with_name("items.parquet" if record.name == "run.json" else f"{record.stem}.items.parquet")
