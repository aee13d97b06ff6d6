"""The record of a run: declaration, scores, tasks, environment. One versioned schema for runs and baselines.

``run.json`` with ``items.parquet`` is a run, ``<label>.json`` with ``<label>.<digest>.items.parquet`` a baseline: the
same schema, trimmed, with ``accepted`` filled in. ``docs/run-json.md`` describes every field.
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

CALIBRATION = "calibration"
"""Name in the provenance of a run that ``harness calibrate`` made: which side it is, ``a`` or ``b``."""


KEY_DIGITS = 16
"""Digits of a key in ``Made``."""


@dataclass(frozen=True)
class Made:
    """The output of one execution of a stage."""

    key: str
    """Key of its task, shortened."""
    content: str
    """Digest of its files; empty if the store no longer had them."""


@dataclass(frozen=True)
class Read:
    """What a metric read: two are equal if the inputs were equal."""

    files: str
    """Digest of the checksums of the input files; empty if there are none."""
    facts: str
    """Digest of the facts and conditions of the inputs."""


@dataclass(frozen=True)
class Repeat:
    """One metric at one point for one repeat of the seeds."""

    seeds: Mapping[str, int]
    """The swept seeds that affect the metric, ``node.field`` → value; may be empty."""
    key: str
    """Key of the metric's task."""
    values: Mapping[str, float]
    """Field → value. Empty if the task failed or was skipped."""
    conditions: Mapping[str, Json] = field(default_factory=dict)
    """Conditions observed while running; they are added to the protocol."""
    details: Mapping[str, Json] = field(default_factory=dict)
    executed: bool = False
    """Whether a task between the subject and this score ran in this run; otherwise all came from the cache."""
    environments: tuple[str, ...] = ()
    """Ids of the environments in which the tasks behind this score were executed."""
    items: bool = False
    """Whether there are per-item rows of this repeat."""
    steps: Mapping[str, float] = field(default_factory=dict)
    """For fields with coarse values: field → the smallest amount by which one item can change it."""
    read: Read | None = None
    """None if it is not known."""
    drawn: Mapping[str, Made] = field(default_factory=dict)
    """For each stage behind this score that a seed affects: stage → its output."""
    tested: Mapping[str, Made] = field(default_factory=dict)
    """For each stage of the subject behind this score: stage → its output."""
    clocked: bool = False
    """Whether all inputs of the metric were made in this run: only then are its times those of this run."""
    error: str | None = None


@dataclass(frozen=True)
class Score:
    """One metric at one point of its own axes, over the repeats."""

    metric: str
    point: Mapping[str, Json]
    settings: Mapping[str, Json]
    """Every ``node.field`` upstream of the metric, without swept seeds. Matching looks axes up in it."""
    protocol: Mapping[str, Json]
    """The part of ``settings`` that reaches the metric without passing through the subject."""
    repeats: tuple[Repeat, ...]

    @property
    def complete(self) -> bool:
        return all(r.values for r in self.repeats)

    def whole_protocol(self) -> dict[str, Json]:
        """The protocol with the observed conditions; a condition that varies over repeats has a list of its values."""
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
    """The random stages (those that a seed affects) from the subject to a metric, and which of them were repeated."""

    repeated: tuple[str, ...] = ()
    """The random stages whose own seed is swept over enough values."""
    once: Mapping[str, str] = field(default_factory=dict)
    """The other random stages → the name of the seed to sweep."""
    learnt: tuple[str, ...] = ()
    """The stages of ``once`` whose one execution is a training."""
    few: tuple[str, ...] = ()
    """The stages of ``once`` that run several times all the same, with too few seeds of their own."""
    fixed: str = "this checkpoint"
    """Name of the subject if no stage of it is random."""


@dataclass(frozen=True)
class MetricInfo:
    """What a comparison needs to know about a metric without importing it."""

    use: str
    fields: Mapping[str, Mapping[str, Any] | None]
    """Field → ``{"better": "higher" | "lower", "floor", "low", "high"}``, or None if it has no direction."""
    seeds: tuple[str, ...]
    """The swept seeds that affect the metric, outermost (most upstream) first."""
    subject: Subject = field(default_factory=Subject)
    timed: bool = False
    """Whether its values are times, or memory in use during the work."""


@dataclass(frozen=True)
class GateInfo:
    """A gate as declared; ``margin`` is absolute in the field's unit, or a fraction if ``relative``."""

    metric: str
    field: str
    margin: float
    relative: bool
    at: Mapping[str, Json]
    against_reference: bool


@dataclass(frozen=True)
class TaskInfo:
    """One task of the plan and its outcome."""

    node: str
    key: str
    point: Mapping[str, Json]
    seeds: Mapping[str, int]
    state: TaskState
    wall_s: float
    """Duration of its execution in seconds, in this run or an earlier one; 0 if it never ran."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class Accepted:
    """When and why a run was accepted as a baseline."""

    label: str
    reason: str
    at: str
    """UTC, ISO 8601."""
    digest: str = ""
    """Checksum of the baseline and its items; it does not match after an edit by hand."""


@dataclass(frozen=True)
class Looks:
    """When a run that adds seeds until it is conclusive is judged; fixed before its first score is seen."""

    seeds: tuple[int, ...]
    """Number of repeats of the suite's seeds at each look, ascending."""
    alpha: float
    """One-sided level of every claim at each look; the level of all looks together is the usual 0.05."""
    taken: int
    """Number of looks taken; the verdicts are those of the last of them."""
    limit: str = ""
    """Why there are fewer seeds than were allowed, and the command that changes that; empty if there are not fewer."""

    @property
    def confidence(self) -> float:
        """Confidence level of the two-sided intervals of each look."""
        return 1.0 - 2.0 * self.alpha


def axis_values(declaration: Mapping[str, Json], axis: str) -> list[tuple[Json, Json]]:
    """Each value of an axis, in order: as points name it, and in plain form, as keys have it."""
    matrix, names = (declaration.get(part) for part in ("matrix", "names"))
    values: Any = matrix.get(axis, []) if isinstance(matrix, Mapping) else []
    shown: Any = names.get(axis, values) if isinstance(names, Mapping) else values
    return list(zip(shown, values, strict=True))


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
    """``node.field`` → the default of the stage function, used for a side that lacks the field."""
    scores: tuple[Score, ...]
    tasks: tuple[TaskInfo, ...]
    environments: Mapping[str, Mapping[str, Json]]
    environment: str
    """Id of the environment of this invocation."""
    distributions: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """Digest → distribution → version, for the field ``distributions`` of the environments."""
    sources: tuple[Mapping[str, Json], ...] = ()
    only: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    """What ``--only`` selected; such a run cannot be accepted."""
    provenance: Mapping[str, Json] = field(default_factory=dict)
    accepted: Accepted | None = None
    code: Mapping[str, Json] = field(default_factory=dict)
    """Node → its stage function: ``function``, ``version``, ``source`` (digest of its code) and ``software``
    (versions). With the declaration it determines every key; empty in records that are older than this field."""
    looks: Looks | None = None
    """None if the run was judged once, at the usual level."""
    items: str | None = None
    """sha256 of the file with the per-item rows; None if there are none, and in records older than this field."""

    @property
    def failures(self) -> tuple[TaskInfo, ...]:
        return tuple(t for t in self.tasks if t.state == "failed")

    @property
    def is_complete(self) -> bool:
        """Whether nothing was deselected, nothing failed, and every score is there."""
        return not self.only and not self.failures and all(s.complete for s in self.scores)

    @property
    def is_calibration(self) -> bool:
        """Whether it is one side of a calibration: the seeds are not the suite's, or the work was repeated."""
        return CALIBRATION in self.provenance


def environment_id(environment: Mapping[str, Json]) -> str:
    return sha256(canonical(environment).encode()).hexdigest()[:12]


def chosen(entries: Mapping[str, Json], value: Json) -> Json:
    """The entry of a table of ``choices`` (in ``Run.code``) chosen by a value, or by its word before the colon.

    For a list: an entry for each element.
    """
    if isinstance(value, list | tuple):
        return [chosen(entries, one) for one in value]
    return entries.get(value, entries.get(value.partition(":")[0])) if isinstance(value, str) else None
