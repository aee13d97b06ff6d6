"""What is planned before the first score is seen: the change that each gate will see, and the looks at the seeds.

A user who adds seeds while a verdict is open, and stops when it is not, judges several times and may be wrong each
time: a two-sided test at 5 %, done at five looks, is wrong in 14 % of all cases (Armitage, McPherson and Rowe 1969). So
the looks are fixed before the first score is seen, and the level is divided among them. Claims are made at alpha / K
at each of K looks. Then the chance of a false claim at *any* of them is at most alpha, whatever data the looks share
and whatever rule stops them (Bonferroni's inequality). Sharper boundaries (Pocock 1977; Lan and DeMets 1983) assume
normal increments with a known variance, which three seeds do not have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from harness.compare import Comparison, Finding, Verdict, stats
from harness.compare.claim import planned
from harness.compare.decide import sees, too_wide
from harness.compare.match import in_point
from harness.compare.sample import LEAST, NO_TIMING, Side, alone_over, lacks_timing
from harness.store.record import GateInfo, Looks, MetricInfo, Run, Score


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


MOST_SEEDS = 10_000
"""Limit on the seeds: far more than anyone runs. A comparison that needs more needs a wider margin instead."""


def declare(own: int, most: int, *, limit: str = "") -> Looks:
    """The looks of a run whose suite has ``own`` seeds and that may have ``most``; none has been taken yet.

    The first look has the suite's own seeds (at least three: fewer give no verdict), the last has ``most``. Between
    them the number grows by a constant factor, at most 2: 5 to 30 is 5, 9, 17, 30.

    Raises:
        ValueError: ``own`` is not positive, or ``most`` smaller.
    """
    if not 1 <= own <= most:
        raise ValueError(f"own must lie between 1 and most ({most}); it is {own}")
    first = min(max(own, LEAST), most)
    steps = math.ceil(math.log2(most / first) - 1e-9)
    seeds = [round(first * (most / first) ** (i / steps)) for i in range(steps)] + [most]
    return Looks(tuple(seeds), stats.ALPHA / len(seeds), 0, limit)


def useful(
    seeds: Mapping[str, Sequence[int]],
    metrics: Mapping[str, MetricInfo],
    gates: Sequence[GateInfo],
    baseline: Run | None,
) -> int:
    """How many of the repeats can affect a gated verdict; 0 if no gated metric depends on a swept seed.

    A comparison is paired on the seeds that both sides have. Repeats after the last of these change nothing.

    Args:
        seeds: swept seed → its values, one per repeat.
        metrics: metrics of the candidate.
        gates: gates that are judged.
        baseline: baseline that the candidate is compared with.
    """
    found = [0]
    for gate in gates:
        fields = metrics[gate.metric].seeds
        rows = list(zip(*(seeds[f] for f in fields), strict=True))
        if gate.against_reference:
            found.append(len(rows))
        elif baseline is not None and rows:
            theirs = set(_rows(baseline, gate.metric, fields))
            shared = [i for i, row in enumerate(rows) if row in theirs]
            paired = len({rows[i][0] for i in shared}) >= LEAST  # only the outermost seed counts
            found.append(shared[-1] + 1 if paired else len(rows))
    return max(found)


def _rows(run: Run, metric: str, fields: Sequence[str]) -> Iterator[tuple[int, ...]]:
    for score in run.scores:
        for repeat in score.repeats:
            if score.metric == metric and repeat.seeds.keys() == set(fields):
                yield tuple(repeat.seeds[f] for f in fields)


def is_open(comparison: Comparison) -> bool:
    """Whether more seeds may still decide a gated comparison; never if a task failed."""
    return not comparison.failures and any(map(_is_open, comparison.findings))


def _is_open(finding: Finding) -> bool:
    if not finding.gated or finding.estimate is None or finding.estimate.unit != "seeds":
        return False
    too_few = finding.verdict is Verdict.INCOMPARABLE and not finding.differences
    return too_few or (finding.verdict is Verdict.INCONCLUSIVE and finding.detectable is not None)


def advised(own: int, needed: int, alpha: float = stats.ALPHA) -> int | None:
    """The fewest seeds to allow a run, so that its last look decides what ``needed`` seeds decide at level ``alpha``.

    Uses the normal approximation of the power: repeats grow with the square of the sum of both quantiles. None if the
    result is more than ``MOST_SEEDS``.
    """
    wanted = max(own, needed)
    while wanted <= MOST_SEEDS:
        level = declare(own, wanted).alpha
        enough = math.ceil(needed * (_effect(level) / _effect(alpha)) ** 2)
        if enough <= wanted:
            return wanted
        wanted = enough
    return None


def _effect(alpha: float) -> float:
    normal = NormalDist()
    return normal.inv_cdf(1.0 - alpha) + normal.inv_cdf(stats.POWER)


def told(looks: Looks) -> str:
    """Which look it was, in one sentence; empty if there is nothing to report."""
    parts = []
    if len(looks.seeds) > 1:
        listed = ", ".join(map(str, looks.seeds))
        level = f"{100.0 * looks.alpha:.3g} % instead of {100.0 * stats.ALPHA:.3g} %"
        parts.append(
            f"look {looks.taken} of {len(looks.seeds)} (declared: {listed} seeds), every claim at {level}"
        )
    return "; ".join([*parts, *filter(None, [looks.limit])])
