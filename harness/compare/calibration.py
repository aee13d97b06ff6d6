"""How far equal subjects differ between seeds (A/A) or between environments, and the margins that follow.

Seeds: two runs that differ only in their seeds should be *unchanged*. Their difference is noise, and a margin
that is too small for the noise makes verdicts inconclusive, or wrong.

The margin that ``calibrate`` proposes: with a standard deviation s of one repeat, n repeats and K gates, the
difference of two independent repeats has the standard deviation √2·s, and its mean over n pairs the standard error
√2·s/√n. Holm may ask a claim for a p-value below 0.05/K, so the gate of an unchanged subject ends *unchanged* with
95 % probability if

    margin ≥ (t[1 − 0.05/K, n − 1] + t[0.95, n − 1]) · √2·s/√n

and the proposal is the larger of this and 2·s, rounded up to two significant digits. It is pessimistic in two ways:
equal seeds on both sides often correlate, and Holm asks for 0.05/K only of the claim with the smallest p-value.

Environments: a training does not repeat itself bit for bit on a machine with other instructions or another number
of threads, and its results differ. ``calibrate`` measures how far other seeds move a gate; ``across`` measures how far
other machines do, with the same seeds. A margin has to be wide enough for both.

The margin that ``across`` proposes: for every two runs the change has the estimate d and the standard error s. A
comparison of the two ends *unchanged* at Holm's strictest level if |d| + t[1 − 0.05/K]·s is below the margin, where K
is the number of gates. The proposal is the largest of these bounds over all pairs of runs, rounded up to two
significant digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from harness.artifact import Json
from harness.compare import stats
from harness.compare.claim import planned
from harness.compare.evidence import Evidence, gather
from harness.compare.match import Pair, in_point, match
from harness.compare.sample import NO_TIMING, Side, alone, lacks_timing
from harness.errors import UsageError
from harness.formats.strict_json import canonical
from harness.store.record import GateInfo, Score

SURENESS = 0.95
"""Probability that an unchanged subject ends *unchanged* at the proposed margin."""


@dataclass(frozen=True)
class Calibration:
    """One gate after an A/A comparison. Values are in the field's unit; None if nothing is repeated."""

    metric: str
    field: str
    at: Mapping[str, Json]
    unit: Literal["seeds", "items", "exact", "one"]
    repeats: int
    """Number of repeats on each side; the smaller one if they differ."""
    mean: float
    """Mean over both sides."""
    sd: float | None
    """Standard deviation of one repeat, pooled over both sides."""
    change: float
    """B − A: only noise."""
    low: float | None
    high: float | None
    """Upper end of the 90 % interval of the change; None if nothing is repeated."""
    detectable: float | None
    """The smallest effect that this number of repeats shows with 80 % probability after Holm's correction."""
    relative: bool
    """Whether the gate's margin is a fraction; ``margin`` and ``proposed`` are absolute in either case."""
    margin: float
    """The declared margin."""
    repeats_needed: int | None
    """Total repeats needed to decide at the declared margin with ``SURENESS``; None if 10,000 are not enough."""
    proposed: float | None
    """A margin at which an unchanged subject ends *unchanged*; 0 if nothing varied."""
    proposed_fraction: float | None
    """The proposed margin of a relative gate, as a fraction of |mean| or of the metric's floor."""
    silent: str = ""
    """Why nothing can be said about a margin; empty if something can."""
    once: str = ""
    """Which random stages were not repeated, so that the spread lacks theirs; empty if all were."""

    @property
    def is_wide_enough(self) -> bool | None:
        """Whether the declared margin is at least the proposed one; None if nothing can be said."""
        return None if self.proposed is None else self.margin >= self.proposed


def calibrate(a: Side, b: Side, gates: Sequence[GateInfo]) -> tuple[Calibration, ...]:
    """One row per gate.

    Args:
        a: a run of the suite.
        b: the same subject run again, with other seeds.
        gates: gates of the suite.

    Raises:
        UsageError: a gated metric failed, or has fewer than three repeats of its seeds.
    """
    pairs = match(b.run, a.run).pairs
    return tuple(_row(a, b, gate, pairs, len(gates)) for gate in gates)


def proposed_margin(sd: float, repeats: int, gates: int) -> float:
    """The margin by the formula for seeds in the module's docstring.

    Args:
        sd: standard deviation of one repeat.
        repeats: n, at least 2.
        gates: K, at least 1.
    """
    decided = stats.detectable(math.sqrt(2) * sd, repeats, stats.ALPHA / gates, SURENESS)
    return round_up(max(decided, 2 * sd))


def round_up(value: float) -> float:
    """Round up to two significant digits; the result is not below ``value``, except by its last bits."""
    if value == 0:
        return 0.0
    mantissa, _, exponent = f"{value:.15e}".partition("e")
    return float(f"{math.ceil(float(mantissa) * 10 - 1e-9)}e{int(exponent) - 1}")


def _row(a: Side, b: Side, gate: GateInfo, pairs: Sequence[Pair], gates: int) -> Calibration:
    here = [p for p in pairs if p.candidate.metric == gate.metric and in_point(p.candidate, gate.at)]
    if not here or not all(p.candidate.complete and p.baseline.complete for p in here):
        raise UsageError(f"calibrate: {gate.metric} has no complete score on both sides")
    # A gate against the reference judges each point by itself, so the noisiest point decides.
    apart = [[p] for p in here] if gate.against_reference else [here]
    rows = [_row_of(a, b, gate, group, gates) for group in apart]
    return max(rows, key=lambda row: row.sd or 0.0)


def _row_of(a: Side, b: Side, gate: GateInfo, pairs: Sequence[Pair], gates: int) -> Calibration:
    evidence = gather(pairs, gate.field, b, a)
    if evidence.lacking:
        raise UsageError(f"calibrate: {gate.metric}.{gate.field}: {evidence.lacking}")
    mean = (evidence.baseline + evidence.candidate) / 2
    direction = a.run.metrics[gate.metric].fields[gate.field] or {}
    size = max(abs(mean), direction.get("floor", 0.0))
    margin = gate.margin * size if gate.relative else gate.margin
    low, high = evidence.interval() or (None, None)
    sides = (
        alone([p.baseline for p in pairs], gate.field, a),
        alone([p.candidate for p in pairs], gate.field, b),
    )
    spread = [s for s in sides if s is not None]
    n = min((s.n for s in spread), default=1)
    sd = _pooled(spread) if len(spread) == len(sides) else None
    proposed = None if sd is None or evidence.exact else _proposed(sd, n, gates, evidence.unit)
    fraction = round_up(proposed / size) if proposed is not None and gate.relative and size else None
    paired_sd, alpha = math.sqrt(2) * (sd or 0.0), stats.ALPHA / gates
    return Calibration(
        metric=gate.metric,
        field=gate.field,
        at=gate.at,
        unit=evidence.unit,
        repeats=n,
        mean=mean,
        sd=sd,
        change=evidence.change,
        low=low,
        high=high,
        detectable=None if sd is None else stats.detectable(paired_sd, n, alpha),
        relative=gate.relative,
        margin=margin,
        repeats_needed=None
        if sd is None or margin == 0
        else stats.repeats_needed(paired_sd, margin, alpha, SURENESS),
        proposed=proposed,
        proposed_fraction=fraction,
        silent=_silent(evidence, [a, b], [[p.baseline for p in pairs], [p.candidate for p in pairs]])
        if proposed is None
        else "",
        once=planned(a.run.metrics[gate.metric].subject),
    )


def _proposed(sd: float, repeats: int, gates: int, unit: str) -> float:
    """The margin by the formula for seeds; over items without what covers a single repeat, since an item is none."""
    if unit == "seeds":
        return proposed_margin(sd, repeats, gates)
    return round_up(stats.detectable(math.sqrt(2) * sd, repeats, stats.ALPHA / gates, SURENESS))


def _silent(evidence: Evidence, sides: Sequence[Side], scores: Sequence[Sequence[Score]]) -> str:
    """Why evidence says nothing about a margin."""
    if any(map(lacks_timing, scores, sides)):
        return f"{NO_TIMING}: only in an empty --store everything is timed"
    if evidence.exact:
        return "both sides are of equal bytes, so that nothing was repeated"
    return evidence.silent or "nothing is repeated on either side by itself"


def _pooled(sides: Sequence[stats.Estimate]) -> float:
    return math.sqrt(sum(s.df * s.sd**2 for s in sides) / sum(s.df for s in sides))


@dataclass(frozen=True)
class Across:
    """One gate over all pairs of runs. Values are in the field's unit."""

    metric: str
    field: str
    at: Mapping[str, Json]
    low: float
    """The smallest of the runs' values."""
    high: float
    """The largest of the runs' values."""
    largest: float
    """The largest |change| between two runs."""
    margin: float
    """The declared margin; for a relative gate, the smallest that any of the runs would have as the baseline."""
    proposed: float | None
    """The smallest margin, to two digits, at which every two of the runs are *unchanged*; None if none is known."""
    silent: str = ""
    """Why none is known; empty if one is."""

    @property
    def is_wide_enough(self) -> bool | None:
        """Whether the declared margin is at least the proposed one; None if nothing can be said."""
        return None if self.proposed is None else self.margin >= self.proposed


def across(sides: Sequence[Side], gates: Sequence[GateInfo]) -> tuple[Across, ...]:
    """One row per gate.

    Args:
        sides: at least two runs of one suite, each from another environment.
        gates: gates of the suite.

    Raises:
        UsageError: fewer than two runs, runs with different declarations, or a gated metric without values.
    """
    if len(sides) < 2:
        raise UsageError(f"calibrate: {len(sides)} runs; two environments at least are needed")
    first = sides[0].run
    for side in sides[1:]:
        if canonical(side.run.declaration) != canonical(first.declaration):
            raise UsageError(
                f"calibrate: the runs {first.id} and {side.run.id} are not of one declaration; run the suite anew"
            )
    return tuple(_environment_row(sides, gate, len(gates)) for gate in gates)


def _environment_row(sides: Sequence[Side], gate: GateInfo, gates: int) -> Across:
    values: list[float] = []
    bounds: list[float] = []
    changes: list[float] = []
    silent = ""
    for a, b in combinations(sides, 2):
        for group in _groups(a, b, gate):
            evidence = gather(group, gate.field, b, a)
            if evidence.lacking:
                raise UsageError(f"calibrate: {gate.metric}.{gate.field}: {evidence.lacking}")
            interval = evidence.interval(1.0 - 2.0 * stats.ALPHA / gates)
            values += [evidence.baseline, evidence.candidate]
            if interval is None:
                scores = [p.baseline for p in group], [p.candidate for p in group]
                silent = silent or _silent(evidence, [a, b], scores)
            else:
                bounds.append(max(interval[1], -interval[0]))
            changes.append(abs(evidence.change))
    direction = sides[0].run.metrics[gate.metric].fields[gate.field] or {}
    smallest = min(map(abs, values))
    margin = (
        stats.margin_of(gate.margin, smallest, direction.get("floor", 0.0)) if gate.relative else gate.margin
    )
    return Across(
        gate.metric,
        gate.field,
        gate.at,
        min(values),
        max(values),
        max(changes),
        margin,
        None if silent else round_up(max(bounds)),
        silent,
    )


def _groups(a: Side, b: Side, gate: GateInfo) -> list[list[Pair]]:
    """The pairs of scores of each comparison; a gate against the reference judges each point by itself."""
    pairs = match(b.run, a.run).pairs
    here = [p for p in pairs if p.candidate.metric == gate.metric and in_point(p.candidate, gate.at)]
    if not here or not all(p.candidate.complete and p.baseline.complete for p in here):
        raise UsageError(f"calibrate: {gate.metric} has no complete score in {a.run.id} and {b.run.id}")
    return [[p] for p in here] if gate.against_reference else [here]
