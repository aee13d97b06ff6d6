"""How far the environment alone moves a suite's gates: the same declaration, run under several environments.

A training does not repeat itself bit for bit on a machine with other instructions or another number of threads, and
what grows out of it differs. ``calibrate.py`` asks how far other seeds move a gate; this module asks how far other
machines do, with the seeds kept. A margin has to hold for both.

The proposed margin. For every two runs the change has the estimate d and the standard error s. A comparison of the
two ends *unchanged* at Holm's strictest level where |d| + t[1 − 0.05/K]·s is below the margin, K being the number of
gates. The proposal is the largest of these bounds over all pairs of runs, rounded up to two significant digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.artifact import Json
from harness.canonical import canonical
from harness.compare import stats
from harness.compare.calibrate import round_up
from harness.compare.match import Pair, in_point, match
from harness.compare.sample import Side, gather
from harness.errors import UsageError
from harness.record import GateInfo


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
    return tuple(_row(sides, gate, len(gates)) for gate in gates)


def _row(sides: Sequence[Side], gate: GateInfo, gates: int) -> Across:
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
