"""Statistics, baselines and verdicts: which scores are compared, how certain a change is, and how it is worded.

This module is what a comparison ends in: the data behind every report format (terminal, JSON, Markdown, JUnit, HTML).
``run.json`` keeps it, and a report is written again from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from harness.artifact import Json
from harness.errors import Exit, UsageError
from harness.formats import strict_json
from harness.formats.strict_json import checked
from harness.store.record import Accepted, Looks, Run, TaskInfo


class Verdict(StrEnum):
    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True)
class Difference:
    """A field in which two protocols (or two environments) differ; None for the side that lacks it."""

    field: str
    baseline: Json
    candidate: Json

    def __str__(self) -> str:
        return f"{self.field}: {_show(self.baseline)} → {_show(self.candidate)}"


def _show(value: Json) -> str:
    return "absent" if value is None else str(value)


@dataclass(frozen=True)
class Estimate:
    """How far the candidate is from the baseline.

    ``change`` is candidate − baseline in the metric's own unit and sign. ``low`` and ``high`` bound it with
    ``confidence``; both equal it if it is exact, and are None if nothing bounds it.
    """

    baseline: float
    candidate: float
    change: float
    low: float | None
    high: float | None
    unit: Literal["seeds", "items", "exact", "one"]
    """What was repeated. ``exact``: the same bytes, or items that are all alike; ``one``: nothing."""
    repeats: int
    """Number of differences behind the interval (pairs), or of the smaller side's repeats if not paired."""
    paired: bool
    confidence: float = 0.90
    """Confidence level of the two-sided interval; higher if the run was judged at several looks."""


@dataclass(frozen=True)
class Claim:
    """What a finding is about: for each stage, what was repeated."""

    text: str
    """``"the recipe of `written`, this one training of `painter`"``."""
    repeated: tuple[str, ...] = ()
    """Random stages (those that a seed decides), from the subject to the metric, that were repeated."""
    once: Mapping[str, str] = field(default_factory=dict)
    """The random stages that were run only once on a side → the seed that would repeat them."""
    anew: tuple[str, ...] = ()
    """Stages with the same recipe on both sides but different outputs, among those in ``once`` and the swept ones whose
    seeds all gave the same bytes."""


@dataclass(frozen=True)
class Measured:
    """A gated field of a run that has no baseline yet."""

    mean: float
    """Over the points and repeats."""
    deviation: float | None
    """Standard deviation of one repeat; None if nothing, or too little, was repeated."""
    repeats: int
    unit: Literal["seeds", "items", "one"]
    """What was repeated."""


@dataclass(frozen=True)
class Finding:
    """One field of one metric, compared."""

    metric: str
    field: str
    better: Literal["higher", "lower"]
    at: Mapping[str, Json]
    """The point; empty if the finding is the mean over all ``points``."""
    points: int
    against: Mapping[str, Json] | None
    """The reference point of the same run; None if the other side is the baseline."""
    gated: bool
    verdict: Verdict | None
    """None if the field is only reported, because no margin is declared for it, or if there is no baseline yet."""
    reason: str
    """Why this verdict, in one sentence."""
    estimate: Estimate | None
    margin: float | None
    """Absolute margin, in the metric's unit."""
    p: float | None = None
    """One-sided p-value of the verdict's claim, before Holm's correction; 0 if exact."""
    detectable: float | None = None
    """The smallest effect that these repeats could have shown (80 % power)."""
    sees: float | None = None
    """The smallest change that the gate can show with this number of repeats (80 % power, Holm's first level), from the
    spread of the baseline; None if nothing is repeated."""
    more_repeats: int | None = None
    """How many more repeats would be needed to decide at this margin."""
    claim: Claim | None = None
    """None if there is nothing to compare."""
    measured: Measured | None = None
    """What was measured, if there is no baseline yet."""
    executed: bool = True
    """False if the whole path of the subject came from the cache (*not re-executed*)."""
    differences: tuple[Difference, ...] = ()
    """Protocol fields that differ, if incomparable."""
    causes: tuple[Difference, ...] = ()
    """Environment fields that differ: likely causes, never a reason not to compare."""
    beside: tuple[str, ...] = ()
    """Notes to show next to the verdict, one sentence each: what was run once, what came out differently without being
    under test, a margin that cannot fail or is not the one in the file."""

    @property
    def name(self) -> str:
        return f"{self.metric}.{self.field}"


@dataclass(frozen=True)
class Point:
    """Metric and point of a score."""

    metric: str
    point: Mapping[str, Json]


@dataclass(frozen=True)
class Proposed:
    """A gated figure of a proposed baseline, beside the one that it would replace."""

    metric: str
    field: str
    at: Mapping[str, Json]
    before: float | None
    """Mean over the repeats (and points) of the baseline at the merge base; None if that has no such score."""
    after: float

    @property
    def name(self) -> str:
        return f"{self.metric}.{self.field}"


@dataclass(frozen=True)
class Proposal:
    """An accepted baseline that a change under review brings. It approves nothing: the reviewer's merge does."""

    accepted: Accepted
    by: str
    """Who committed it, and the commit."""
    figures: tuple[Proposed, ...]
    """The gated figures that differ from those of the merge base."""
    gates: tuple[str, ...]
    """What changed in gates, margins, reference and scores, one sentence each."""
    worse: tuple[str, ...]
    """The gated fields that regressed against the merge base."""
    open: tuple[str, ...] = ()
    """The gated fields that are inconclusive by the gates of the change itself."""
    withheld: tuple[str, ...] = ()
    """Why it does not count, one sentence each; empty if it does."""

    @property
    def counts(self) -> bool:
        return not self.withheld


@dataclass(frozen=True)
class Comparison:
    """A run compared with a baseline (or with another run, or with a point of its own)."""

    suite: str
    run: str
    """Id of the candidate run."""
    baseline: str | None
    """Name of what it was compared with; None if there is nothing."""
    accepted: Accepted | None
    note: str
    """Why there is no baseline, and the command that makes one; empty otherwise."""
    findings: tuple[Finding, ...]
    new: tuple[Point, ...] = ()
    missing: tuple[Point, ...] = ()
    not_run: tuple[Point, ...] = ()
    failures: tuple[TaskInfo, ...] = ()
    looks: Looks | None = None
    """The looks of the candidate, which set the levels of its verdicts; None for one look at the usual level."""
    proposal: Proposal | None = None
    """None if the change brings no baseline, or nothing was asked of a merge base."""

    strict: bool = False
    """Whether an inconclusive verdict has an exit code of its own."""

    def exit(self) -> Exit:
        """The exit code: the first that applies, in the order of ``Exit``."""
        gated = {f.verdict for f in self.findings if f.gated}
        if self.failures:
            return Exit.FAILED
        if self.proposal is not None and self.proposal.counts:
            return Exit.INCONCLUSIVE if self.strict and self.proposal.open else Exit.OK
        if Verdict.REGRESSED in gated:
            return Exit.REGRESSED
        if Verdict.INCOMPARABLE in gated or self.missing or self.lacks_baseline:
            return Exit.INCOMPARABLE
        if self.strict and Verdict.INCONCLUSIVE in gated:
            return Exit.INCONCLUSIVE
        return Exit.OK

    @property
    def lacks_baseline(self) -> bool:
        """Whether there is no baseline, and anything waits for one: a gate, or the whole run if it has no reference."""
        waiting = any(f.gated and f.against is None for f in self.findings)
        return self.baseline is None and (waiting or all(f.against is None for f in self.findings))

    def to_json(self) -> dict[str, Any]:
        """JSON-safe; part of ``run.json``."""
        return {**asdict(self), "exit": int(self.exit())}


def stored(folder: Path, run: Run) -> Comparison | None:
    """The inverse of ``Comparison.to_json``; None if the run in ``folder`` was not compared with anything yet.

    Raises:
        UsageError: the comparison is damaged.
    """
    body = strict_json.read(folder / "run.json").get("comparison")
    if body is None:
        return None
    try:
        fields = {name: value for name, value in body.items() if name not in ("exit", "looks")}
        points = {name: tuple(Point(**p) for p in body[name]) for name in ("new", "missing", "not_run")}
        own = {
            "accepted": None if body["accepted"] is None else Accepted(**body["accepted"]),
            "findings": tuple(_finding(f) for f in body["findings"]),
            "failures": tuple(TaskInfo(**t) for t in body["failures"]),
            "proposal": _proposal(body.get("proposal")),
        }
        comparison = Comparison(**{**fields, **points, **own, "looks": run.looks})
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise UsageError(f"{folder / 'run.json'}: damaged comparison ({type(e).__name__}: {e})") from None
    return checked(comparison, f"{folder / 'run.json'}: comparison")


def _proposal(body: Mapping[str, Any] | None) -> Proposal | None:
    if body is None:
        return None
    told = {name: tuple(body[name]) for name in ("gates", "worse", "open", "withheld")}
    figures = tuple(Proposed(**f) for f in body["figures"])
    return Proposal(**{**body, **told, "accepted": Accepted(**body["accepted"]), "figures": figures})


def _claim(body: Mapping[str, Any]) -> Claim:
    return Claim(**{**body, **{name: tuple(body[name]) for name in ("repeated", "anew")}})


def _finding(body: Mapping[str, Any]) -> Finding:
    differences = {name: tuple(Difference(**d) for d in body[name]) for name in ("differences", "causes")}
    own = {
        "verdict": None if body["verdict"] is None else Verdict(body["verdict"]),
        "estimate": None if body["estimate"] is None else Estimate(**body["estimate"]),
        "claim": None if body["claim"] is None else _claim(body["claim"]),
        "measured": Measured(**body["measured"]) if body.get("measured") else None,
        "beside": tuple(body["beside"]),
    }
    return Finding(**{**body, **differences, **own})
