"""The record of a run: declaration, scores, tasks, environment. One versioned schema for runs and baselines.

``run.json`` beside ``items.parquet`` is a run, ``<label>.json`` beside ``<label>.<digest>.items.parquet`` a baseline:
the same schema, trimmed, with ``accepted`` filled in. ``docs/run-json.md`` describes every field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from harness.artifact import Json
from harness.formats.strict_json import canonical

TaskState = Literal["cached", "executed", "failed", "skipped"]


@dataclass(frozen=True)
class Made:
    """What one execution of a stage left."""

    key: str
    """Of its task, shortened."""
    content: str
    """Digest of its files; empty where the store did not have them any more."""


@dataclass(frozen=True)
class Read:
    """What a metric read: equal where its inputs were equal."""

    files: str
    """Digest of their files' checksums; empty where there are none."""
    facts: str
    """Digest of their facts and conditions."""


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
    steps: Mapping[str, float] = field(default_factory=dict)
    """By field that takes coarse values only: the least amount by which one item can change it."""
    read: Read | None = None
    """None where it is not known."""
    drawn: Mapping[str, Made] = field(default_factory=dict)
    """Stage behind this score that a seed decides → what it left."""
    clocked: bool = False
    """All that the metric read was made in this very run: only then are times in it times of this run."""
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
class Subject:
    """What of the way from the subject to a metric is left to chance, and which of it was repeated."""

    repeated: tuple[str, ...] = ()
    """The stages with a seed that a swept seed reaches."""
    once: Mapping[str, str] = field(default_factory=dict)
    """Those that none reaches, and the name of the seed to sweep."""
    learnt: tuple[str, ...] = ()
    """Those of them whose one execution is a training."""
    fixed: str = "this checkpoint"
    """What the subject is called where none of it is left to chance."""


@dataclass(frozen=True)
class MetricInfo:
    """What a comparison has to know of a metric without importing it."""

    use: str
    fields: Mapping[str, Mapping[str, Any] | None]
    """Field → ``{"better": "higher" | "lower", "floor", "low", "high"}``, or None where it has no direction."""
    seeds: tuple[str, ...]
    """The swept seeds that reach the metric, outermost (most upstream) first."""
    subject: Subject = field(default_factory=Subject)
    timed: bool = False
    """Its values are times, or memory in use while the work was done."""


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
class Looks:
    """When a run that adds seeds until it is conclusive was to be judged, fixed before its first score was seen."""

    seeds: tuple[int, ...]
    """How many repeats of the suite's seeds the run has at each look, ascending."""
    alpha: float
    """One-sided level of every claim at each look; over all looks together it is the usual 0.05."""
    taken: int
    """How many looks were taken; the verdicts are those of the last of them."""
    limit: str = ""
    """Why there are fewer seeds than were allowed, and the command that changes that; empty where nothing is."""

    @property
    def confidence(self) -> float:
        """Of the two-sided intervals of each look."""
        return 1.0 - 2.0 * self.alpha


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
    distributions: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """Digest → distribution → version: what ``distributions`` in the environments stands for."""
    sources: tuple[Mapping[str, Json], ...] = ()
    only: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    """What ``--only`` selected; such a run cannot be accepted."""
    provenance: Mapping[str, Json] = field(default_factory=dict)
    accepted: Accepted | None = None
    code: Mapping[str, Json] = field(default_factory=dict)
    """Node → what its stage function was: ``function``, ``version``, ``source`` (digest of its code) and ``software``
    (versions). With the declaration it gives every key again; empty in records that are older than it."""
    looks: Looks | None = None
    """None: judged once, at the usual level."""
    items: str | None = None
    """sha256 of the file with the per-item rows; None where there are none, and in records that are older than it."""

    @property
    def failures(self) -> tuple[TaskInfo, ...]:
        return tuple(t for t in self.tasks if t.state == "failed")

    @property
    def is_complete(self) -> bool:
        """Nothing deselected, nothing failed, every score there."""
        return not self.only and not self.failures and all(s.complete for s in self.scores)


def environment_id(environment: Mapping[str, Json]) -> str:
    return sha256(canonical(environment).encode()).hexdigest()[:12]
