"""What can be predicted about a suite's gates before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.compare import stats
from harness.compare.claim import planned
from harness.compare.decide import sees, too_wide
from harness.compare.match import in_point
from harness.compare.sample import LEAST, NO_TIMING, Side, alone_over, lacks_timing
from harness.store.record import GateInfo, MetricInfo, Score


@dataclass(frozen=True)
class Outlook:
    """A gate before its run."""

    gate: GateInfo
    margin: float | None
    """Absolute margin; None for a fraction of a baseline that does not exist."""
    visible: float | None
    """The smallest change that the gate will see; None if there is no baseline, or nothing is repeated."""
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.gate.metric}.{self.gate.field}"


def outlooks(
    gates: Sequence[GateInfo],
    metrics: Mapping[str, MetricInfo],
    repeats: Mapping[str, int],
    baseline: Side | None,
) -> Iterator[Outlook]:
    """One per gate, in order.

    Args:
        gates: gates of the suite.
        metrics: metrics that are planned.
        repeats: metric → the values of its outermost swept seed, if it has one.
        baseline: the run that the new run will be compared with.
    """
    for gate in gates:
        info = metrics[gate.metric]
        direction = info.fields.get(gate.field) or {}
        scores = [] if baseline is None else [s for s in baseline.run.scores if _is_of(s, gate)]
        value, visible = None, None
        untimed = baseline is not None and lacks_timing(scores, baseline)
        if baseline is not None and scores and not untimed:
            value = sum(r.values[gate.field] for s in scores for r in s.repeats) / sum(
                len(s.repeats) for s in scores
            )
            found = alone_over(scores, gate.field, baseline)
            if found is not None:
                spread, unit = found
                n = repeats.get(gate.metric, spread.n) if unit == "seeds" else spread.n
                visible = sees(spread, len(gates), stats.ALPHA, n)
        margin = _margin(gate, value, direction.get("floor", 0.0))
        warnings = [planned(info.subject)]
        warnings += (
            [f"{NO_TIMING} in the baseline, so that nothing can be compared with it"] if untimed else []
        )
        warnings += [too_wide(margin, value, direction, visible)] if margin is not None else []
        if info.seeds and repeats.get(gate.metric, LEAST) < LEAST:
            warnings.append(f"{repeats[gate.metric]} seeds; fewer than {LEAST} give no verdict")
        yield Outlook(gate, margin, visible, tuple(filter(None, warnings)))


def _is_of(score: Score, gate: GateInfo) -> bool:
    return (
        score.metric == gate.metric
        and score.complete
        and in_point(score, gate.at)
        and all(gate.field in r.values for r in score.repeats)
    )


def _margin(gate: GateInfo, value: float | None, floor: float) -> float | None:
    if not gate.relative:
        return gate.margin
    return None if value is None else stats.margin_of(gate.margin, value, floor)
