"""Three to five seeds of a coarse field: what coincides by chance makes no claim more often than 5 %."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from harness.compare import Verdict, stats
from harness.compare.decide import CLAIMS, decide
from harness.compare.evidence import Evidence

TRIES, GATES = 600, 4


def claimed(differences: Sequence[float], step: float, margin: float, alpha: float) -> Verdict | None:
    """What would be claimed of an accuracy at Holm's first level, which decides whether there is any false claim."""
    spread = stats.without_rounding(stats.clustered(differences), 1.0, 1)
    floored = stats.floored(spread, step)
    evidence = Evidence(0.0, floored.mean, "seeds", True, floored.n, floored)
    found = decide(evidence, "higher", margin, same_environment=True, alpha=0.05)
    return found.verdict if found.verdict in CLAIMS and found.p is not None and found.p <= alpha else None


def family(rng: np.random.Generator, seeds: int, items: int, moving: int, q: float) -> np.ndarray:
    """(tries, gates, seeds) counts of right items of which only some ever change."""
    return rng.binomial(moving, q, (TRIES, GATES, seeds)).astype(float) / items


@pytest.mark.parametrize("seeds", [3, 4, 5])
@pytest.mark.parametrize(
    ("items", "moving", "q"), [(12, 1, 0.5), (12, 2, 0.3), (20, 20, 0.05), (40, 4, 0.1), (40, 40, 0.2)]
)
def test_false_claims_of_a_family_of_gates_stay_below_five_percent(
    seeds: int, items: int, moving: int, q: float
) -> None:
    rng = np.random.default_rng(1000 * seeds + items + moving)
    after, before = (family(rng, seeds, items, moving, q) for _ in range(2))
    alpha, step, gap = 0.05 / GATES, 1.0 / items, moving * q * 2 / 3 / items
    same = after - before
    drop = family(rng, seeds, items, moving, q / 3) - before  # on average exactly `gap` worse
    false = {
        "regressed": sum(
            any(claimed(d, step, 1e-9, alpha) is Verdict.REGRESSED for d in gates) for gates in same
        ),
        "improved": sum(
            any(claimed(d, step, 1e-9, alpha) is Verdict.IMPROVED for d in gates) for gates in same
        ),
        "unchanged": sum(
            any(claimed(d, step, gap, alpha) is Verdict.UNCHANGED for d in gates) for gates in drop
        ),
    }
    most = TRIES * 0.05 + 3 * math.sqrt(TRIES * 0.05 * 0.95)
    assert all(count <= most for count in false.values()), false


def test_without_the_floor_it_would_not() -> None:
    rng = np.random.default_rng(5)
    before = family(rng, 3, 40, 1, 0.5)
    after = family(rng, 3, 40, 1, 0.5)
    naive = sum(any(np.ptp(d) == 0 and d[0] < 0 for d in gates) for gates in after - before)
    assert naive > TRIES * 0.05, "three times the same step down in one of 64 pairs, four pairs, both ways"
