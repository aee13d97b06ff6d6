"""How far equal subjects differ, from seeds (A/A) or from environments, and which margins that allows.

Two runs that differ in nothing but their seeds should end *unchanged*. How far they differ is noise, and a
margin below what the noise allows makes verdicts inconclusive, or wrong.

The proposed margin. With a standard deviation s of one repeat, n repeats and K gates, the difference of two
independent repeats has the deviation √2·s, and its mean over n pairs the standard error √2·s/√n. Holm may ask
a claim for a p-value below 0.05/K, so that the gate of a subject that did not change ends *unchanged* with
95 % probability where

    margin ≥ (t[1 − 0.05/K, n − 1] + t[0.95, n − 1]) · √2·s/√n

and the proposal is this or 2·s, whichever is larger, rounded up to two significant digits. It is pessimistic
in two ways: equal seeds on both sides often correlate, and Holm asks for 0.05/K of the surest claim only.

A training does not repeat itself bit for bit on a machine with other instructions or another number of threads, and
what grows out of it differs. ``calibrate.py`` asks how far other seeds move a gate; this module asks how far other
machines do, with the seeds kept. A margin has to hold for both.

The proposed margin. For every two runs the change has the estimate d and the standard error s. A comparison of the
two ends *unchanged* at Holm's strictest level where |d| + t[1 − 0.05/K]·s is below the margin, K being the number of
gates. The proposal is the largest of these bounds over all pairs of runs, rounded up to two significant digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from harness.artifact import Json
from harness.compare import stats
from harness.compare.match import Pair, in_point, match
from harness.compare.sample import Side, alone, gather
from harness.errors import UsageError
from harness.formats.strict_json import canonical
from harness.store.record import GateInfo

SURENESS = 0.95
"""How often an unchanged subject ends *unchanged* at the proposed margin."""


@dataclass(frozen=True)
class Calibration:
    """One gate after A/A. Figures are in the field's unit; None where nothing is repeated."""

    metric: str
    field: str
    at: Mapping[str, Json]
    unit: Literal["seeds", "items", "exact", "one"]
    repeats: int
    """On each side; the smaller one where they differ."""
    mean: float
    """Over both sides."""
    sd: float | None
    """Standard deviation of one repeat, pooled over both sides."""
    change: float
    """B − A: nothing but noise."""
    low: float | None
    high: float | None
    """Its 90 % interval; None where nothing is repeated."""
    detectable: float | None
    """The smallest effect that so many repeats show with 80 % probability after Holm's correction."""
    relative: bool
    """Whether the gate's margin is a fraction; ``margin`` and ``proposed`` are absolute all the same."""
    margin: float
    """As declared."""
    repeats_needed: int | None
    """In all, for the declared margin to be decided with ``SURENESS``; None where 10,000 would not do."""
    proposed: float | None
    """A margin at which an unchanged subject ends *unchanged*; 0 where nothing varied."""
    proposed_fraction: float | None
    """The same for a relative gate, as a fraction of |mean| or the metric's floor."""

    @property
    def is_wide_enough(self) -> bool:
        """Whether the declared margin is at least the proposed one."""
        return self.proposed is None or self.margin >= self.proposed


def calibrate(a: Side, b: Side, gates: Sequence[GateInfo]) -> tuple[Calibration, ...]:
    """One row per gate.

    Args:
        a: a run of the suite.
        b: the same subject again, with other seeds.
        gates: of the suite.

    Raises:
        UsageError: a gated metric failed, or has fewer than three repeats of its seeds.
    """
    pairs = match(b.run, a.run).pairs
    return tuple(_row(a, b, gate, pairs, len(gates)) for gate in gates)


def proposed_margin(sd: float, repeats: int, gates: int) -> float:
    """The formula at the head of this file.

    Args:
        sd: of one repeat.
        repeats: n, at least 2.
        gates: K, at least 1.
    """
    decided = stats.detectable(math.sqrt(2) * sd, repeats, stats.ALPHA / gates, SURENESS)
    return round_up(max(decided, 2 * sd))


def round_up(value: float) -> float:
    """To two significant digits; not below ``value``, save by its last bits."""
    if value == 0:
        return 0.0
    mantissa, _, exponent = f"{value:.15e}".partition("e")
    return float(f"{math.ceil(float(mantissa) * 10 - 1e-9)}e{int(exponent) - 1}")


def _row(a: Side, b: Side, gate: GateInfo, pairs: Sequence[Pair], gates: int) -> Calibration:
    here = [p for p in pairs if p.candidate.metric == gate.metric and in_point(p.candidate, gate.at)]
    if not here or not all(p.candidate.complete and p.baseline.complete for p in here):
        raise UsageError(f"calibrate: {gate.metric} has no complete score on both sides")
    # A gate against the reference judges each point by itself: the noisiest one decides.
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
    proposed = None if sd is None else proposed_margin(sd, n, gates)
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
    )


def _pooled(sides: Sequence[stats.Estimate]) -> float:
    return math.sqrt(sum(s.df * s.sd**2 for s in sides) / sum(s.df for s in sides))


@dataclass(frozen=True)
class Across:
    """One gate over all pairs of runs. Figures are in the field's unit."""

    metric: str
    field: str
    at: Mapping[str, Json]
    low: float
    """The smallest of the runs' values."""
    high: float
    """The largest of them."""
    largest: float
    """The largest |change| between two runs."""
    margin: float
    """As declared; of a relative gate the smallest that any of the runs would have as the baseline."""
    proposed: float
    """The smallest margin, to two digits, at which every two of the runs are *unchanged*."""

    @property
    def is_wide_enough(self) -> bool:
        """Whether the declared margin is at least the proposed one."""
        return self.margin >= self.proposed


def across(sides: Sequence[Side], gates: Sequence[GateInfo]) -> tuple[Across, ...]:
    """One row per gate.

    Args:
        sides: at least two runs of one suite, each from another environment.
        gates: of the suite.

    Raises:
        UsageError: fewer than two runs, runs that are not of one declaration, or a gated metric without values.
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
    for a, b in combinations(sides, 2):
        for group in _groups(a, b, gate):
            evidence = gather(group, gate.field, b, a)
            if evidence.lacking:
                raise UsageError(f"calibrate: {gate.metric}.{gate.field}: {evidence.lacking}")
            interval = evidence.interval(1.0 - 2.0 * stats.ALPHA / gates)
            low, high = interval or (evidence.change, evidence.change)
            values += [evidence.baseline, evidence.candidate]
            bounds.append(max(high, -low))
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
        round_up(max(bounds)),
    )


def _groups(a: Side, b: Side, gate: GateInfo) -> list[list[Pair]]:
    """The pairs of scores behind one comparison; a gate against the reference judges each point by itself."""
    pairs = match(b.run, a.run).pairs
    here = [p for p in pairs if p.candidate.metric == gate.metric and in_point(p.candidate, gate.at)]
    if not here or not all(p.candidate.complete and p.baseline.complete for p in here):
        raise UsageError(f"calibrate: {gate.metric} has no complete score in {a.run.id} and {b.run.id}")
    return [[p] for p in here] if gate.against_reference else [here]
