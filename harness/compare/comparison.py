"""The comparison: what every rendering (terminal, JSON, Markdown, JUnit, HTML) is a rendering of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

from harness.artifact import Json
from harness.errors import Exit
from harness.store.record import Accepted, Looks, TaskInfo


class Verdict(StrEnum):
    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True)
class Difference:
    """A field in which two protocols (or two environments) differ; None on the side that lacks it."""

    field: str
    baseline: Json
    candidate: Json

    def __str__(self) -> str:
        return f"{self.field}: {_show(self.baseline)} → {_show(self.candidate)}"


def _show(value: Json) -> str:
    return "absent" if value is None else str(value)


@dataclass(frozen=True)
class Estimate:
    """How far the candidate is from the baseline. ``change`` is candidate − baseline in the metric's own
    unit and sign; ``low`` and ``high`` bound it with ``confidence`` (both equal it where it is exact; None where
    nothing bounds it).
    """

    baseline: float
    candidate: float
    change: float
    low: float | None
    high: float | None
    unit: Literal["seeds", "items", "exact", "one"]
    """What was repeated; ``exact``: the same bytes, or items that are all alike; ``one``: nothing."""
    repeats: int
    """Differences behind the interval (pairs), or of the smaller side where not paired."""
    paired: bool
    confidence: float = 0.90
    """Of the two-sided interval; higher where the run was judged at several looks."""


@dataclass(frozen=True)
class Claim:
    """What a finding is about: stage by stage, what was repeated."""

    text: str
    """``"the recipe of `written`, this one training of `painter`"``."""
    repeated: tuple[str, ...] = ()
    """Stages of the subject, and from it to the metric, that a seed decides and that were repeated."""
    once: Mapping[str, str] = field(default_factory=dict)
    """Those that were run once on a side, and the seed that would repeat them."""
    anew: tuple[str, ...] = ()
    """Those, or of the swept those whose seeds gave the same bytes, that have the same recipe on both sides and came
    out differently."""


@dataclass(frozen=True)
class Finding:
    """One field of one metric, compared."""

    metric: str
    field: str
    better: Literal["higher", "lower"]
    at: Mapping[str, Json]
    """The point; empty where it is the mean over all ``points``."""
    points: int
    against: Mapping[str, Json] | None
    """The reference point of the same run; None where the other side is the baseline."""
    gated: bool
    verdict: Verdict | None
    """None: reported only (no margin is declared for it)."""
    reason: str
    """One sentence for a person: why this verdict."""
    estimate: Estimate | None
    margin: float | None
    """Absolute, in the metric's unit."""
    p: float | None = None
    """One-sided p-value of the claim that the verdict makes, before Holm's correction; 0 where exact."""
    detectable: float | None = None
    """The smallest effect that these repeats could have shown (80 % power)."""
    sees: float | None = None
    """The smallest change that the gate can show with so many repeats (80 % power, Holm's first level), by the
    spread of the baseline; None where nothing is repeated."""
    more_repeats: int | None = None
    """How many more would be needed to decide at this margin."""
    claim: Claim | None = None
    """None where there is nothing to set against one another."""
    executed: bool = True
    """False: the subject's path came wholly from the cache (*not re-executed*)."""
    differences: tuple[Difference, ...] = ()
    """Protocol fields that differ, where incomparable."""
    causes: tuple[Difference, ...] = ()
    """Environment fields that differ: likely causes, never a reason not to compare."""
    beside: tuple[str, ...] = ()
    """What to know beside the verdict, a sentence each: what was run once, what came out differently without being
    under test, a margin that cannot fail or is not the file's."""

    @property
    def name(self) -> str:
        return f"{self.metric}.{self.field}"


@dataclass(frozen=True)
class Point:
    """A score by name: metric and point."""

    metric: str
    point: Mapping[str, Json]


@dataclass(frozen=True)
class Comparison:
    """A run against a baseline (or another run, or a point of its own)."""

    suite: str
    run: str
    """Id of the candidate run."""
    baseline: str | None
    """What it was compared with, for people; None where there is none."""
    accepted: Accepted | None
    note: str
    """Why there is no baseline, and the command that makes one; empty otherwise."""
    findings: tuple[Finding, ...]
    new: tuple[Point, ...] = ()
    missing: tuple[Point, ...] = ()
    not_run: tuple[Point, ...] = ()
    failures: tuple[TaskInfo, ...] = ()
    looks: Looks | None = None
    """The looks of the candidate, whose levels its verdicts have; None: one look at the usual level."""

    def exit(self, *, strict: bool = False) -> Exit:
        """The exit code: the first that applies, in the order of ``Exit``."""
        gated = {f.verdict for f in self.findings if f.gated}
        if self.failures:
            return Exit.FAILED
        if Verdict.REGRESSED in gated:
            return Exit.REGRESSED
        if Verdict.INCOMPARABLE in gated or self.missing or self.baseline is None:
            return Exit.INCOMPARABLE
        if strict and Verdict.INCONCLUSIVE in gated:
            return Exit.INCONCLUSIVE
        return Exit.OK

    def to_json(self) -> dict[str, Any]:
        """JSON-safe; part of ``run.json``."""
        return {**asdict(self), "exit": int(self.exit())}
