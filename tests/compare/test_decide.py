from __future__ import annotations

import random
from collections import Counter

import pytest
from compare.runs import (
    BASE,
    HERE,
    compared,
    gate,
    only,
    repeats,
    score,
    seeded,
    shifted,
    side,
)
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import Verdict, stats
from harness.compare.sample import Side
from harness.compare.verdict import compare
from harness.errors import Exit
from harness.store.record import MetricInfo

ELSEWHERE = {"here": {**HERE, "torch": "2.14.0"}}


@pytest.mark.parametrize(
    ("change", "margin", "verdict"),
    [
        ([-0.05, -0.06, -0.05, -0.04, -0.05], 0.02, "regressed"),
        ([0.05, 0.06, 0.05, 0.04, 0.05], 0.02, "improved"),
        ([0.001, -0.001, 0.002, 0.0, -0.002], 0.02, "unchanged"),
        ([-0.011, -0.010, -0.009, -0.010, -0.010], 0.02, "unchanged"),  # surely worse, surely by less
        ([0.05, -0.05, 0.04, -0.06, 0.03], 0.02, "inconclusive"),
        ([-0.02, -0.005, -0.03, -0.02, -0.01], 0.02, "inconclusive"),  # surely worse, not surely by how much
    ],
)
def test_seeds_that_are_shared_are_paired(change: list[float], margin: float, verdict: str) -> None:
    found = only(compared(seeded(shifted(change), gates=(gate(margin),)), seeded(BASE)))
    assert found.verdict == verdict, found.reason
    assert found.estimate
    assert (found.estimate.unit, found.estimate.paired, found.estimate.repeats) == ("seeds", True, 5)
    assert found.estimate.change == pytest.approx(sum(change) / 5)
    assert found.gated
    assert found.claim
    assert found.claim.text == "the recipe of `train`"


def test_the_reason_says_how_much_how_sure_and_on_what() -> None:
    found = only(compared(seeded(shifted([-0.05, -0.06, -0.05, -0.04, -0.05])), seeded(BASE)))
    assert found.reason == "worse by 0.05 (90 % interval 0.0433 to 0.0567), margin 0.02, 5 paired seeds"


def test_an_inconclusive_verdict_says_what_would_settle_it() -> None:
    found = only(compared(seeded(shifted([0.05, -0.05, 0.04, -0.06, 0.03])), seeded(BASE)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.detectable is not None
    assert found.detectable > 0.02
    assert found.more_repeats is not None
    assert found.more_repeats > 10
    assert found.p is None


def test_lower_is_better_where_the_metric_says_so() -> None:
    fields = {"score": {"better": "lower", "floor": 0.0}}
    metrics = {"m": MetricInfo("m@1", fields, ("train.seed",))}
    found = only(compared(seeded(shifted([0.05] * 5), metrics=metrics), seeded(BASE, metrics=metrics)))
    assert found.verdict is Verdict.REGRESSED


def test_a_relative_margin_is_of_the_baseline_or_of_the_floor() -> None:
    metrics = {"m": MetricInfo("m@1", {"score": {"better": "higher", "floor": 0.5}}, ("train.seed",))}
    relative = {"gates": (gate(0.1, relative=True),), "metrics": metrics}
    assert only(compared(seeded(BASE, **relative), seeded(BASE, **relative))).margin == pytest.approx(0.081)
    small = [b / 100 for b in BASE]
    assert only(compared(seeded(small, **relative), seeded(small, **relative))).margin == pytest.approx(0.05)


def test_equal_values_are_demanded_only_in_an_equal_environment() -> None:
    def moved(by: float, margin: float, **changes: object) -> Side:
        return seeded(shifted([by] * 5), gates=(gate(margin),), **changes)

    other = moved(0.0, 0, environments=ELSEWHERE)
    for by in (-0.01, 0.01):
        found = only(compared(moved(by, 0), other))
        assert found.verdict is Verdict.INCONCLUSIVE
        assert "equal environment" in found.reason
        assert [str(c) for c in found.causes] == ["torch: 2.14.0 → 2.15.0"]
        assert only(compared(moved(by, 0), moved(0.0, 0))).verdict is not Verdict.INCONCLUSIVE
    assert only(compared(moved(0.0, 0), other)).verdict is Verdict.UNCHANGED
    assert only(compared(moved(-0.1, 0.02), other)).verdict is Verdict.REGRESSED, (
        "a margin is demanded everywhere"
    )


def many(changes: list[list[float]]) -> tuple[Side, Side]:
    names = [f"m{i}" for i in range(len(changes))]
    ours = side(*[score(repeats(shifted(c)), metric=n) for n, c in zip(names, changes, strict=True)])
    return ours, side(*[score(repeats(BASE), metric=n) for n in names])


changes = st.lists(st.integers(-80, 80).map(lambda n: n / 1000), min_size=5, max_size=5)
MIRROR = {Verdict.IMPROVED: Verdict.REGRESSED, Verdict.REGRESSED: Verdict.IMPROVED}


def test_a_claim_that_is_not_sure_enough_among_many_gates_is_inconclusive() -> None:
    barely = [-0.05, -0.02, -0.09, -0.01, -0.03]
    alone = compare(*many([barely]), (gate(0.02, metric="m0"),))
    assert only(alone).verdict is Verdict.REGRESSED
    crowd = compare(*many([barely] * 8), [gate(0.02, metric=f"m{i}") for i in range(8)])
    assert {f.verdict for f in crowd.findings} == {Verdict.INCONCLUSIVE}
    assert "among 8 gated comparisons" in crowd.findings[0].reason
    assert crowd.findings[0].p == only(alone).p
    assert crowd.findings[0].more_repeats
    spread = stats.paired(BASE, shifted(barely))
    assert crowd.findings[0].detectable == pytest.approx(spread.detectable(0.05 / 8))
    assert crowd.exit(strict=True) is Exit.INCONCLUSIVE


@given(changes)
def test_swapping_the_sides_mirrors_improved_and_regressed(change: list[float]) -> None:
    there = only(compared(seeded(shifted(change)), seeded(BASE))).verdict
    back = only(compared(seeded(BASE), seeded(shifted(change)))).verdict
    assert there is not None
    assert (back is MIRROR[there]) if there in MIRROR else (back not in MIRROR)


@given(changes, st.integers(0, 50), st.integers(0, 50))
def test_a_wider_margin_never_makes_a_verdict_worse(change: list[float], margin: int, more: int) -> None:
    rank = [Verdict.REGRESSED, Verdict.INCONCLUSIVE, Verdict.UNCHANGED]
    narrow, wide = (
        only(compared(seeded(shifted(change), gates=(gate(m / 1000),)), seeded(BASE))).verdict
        for m in (margin, margin + more)
    )
    if narrow is Verdict.IMPROVED:
        assert wide in (Verdict.IMPROVED, Verdict.UNCHANGED)
    else:
        assert rank.index(wide) >= rank.index(narrow)  # type: ignore[arg-type]


def test_equal_subjects_are_called_regressed_at_most_one_time_in_twenty() -> None:
    """Family-wise over four gates, at a margin of nothing: the verdict that a change would be blamed for."""
    numbers, tries, gates = random.Random(5), 400, [gate(1e-6, metric=f"m{i}") for i in range(4)]
    false = Counter[bool]()
    for _ in range(tries):
        ours, theirs = many([[numbers.gauss(0, 0.02) for _ in BASE] for _ in gates])
        false[any(f.verdict is Verdict.REGRESSED for f in compare(ours, theirs, gates).findings)] += 1
    assert false.total() == tries
    assert false[True] / tries <= 0.05 + 2 * (0.05 * 0.95 / tries) ** 0.5
