from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import pytest
import scipy.stats
from compare.runs import (
    BASE,
    HERE,
    compared,
    gate,
    metric,
    only,
    repeats,
    score,
    seeded,
    shifted,
    side,
)
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import Estimate, Finding, Verdict, stats
from harness.compare.decide import METRIC_DIFFERS, Judged, correct, decide
from harness.compare.evidence import Evidence, Unit
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
    assert found.estimate.change == pytest.approx(sum(change) / 5, abs=1e-8)
    assert found.gated
    assert found.claim
    assert found.claim.text == "the recipe of `train`"


def moved_by(change: float, unit: Unit = "exact", **given: Any) -> Evidence:
    return Evidence(2.0, 2.0 + change, unit, True, 5, None, **given)


def varying(change: float, se: float = 0.125, n: int = 5) -> Evidence:
    return replace(moved_by(change, "seeds"), spread=stats.Estimate(change, se, n - 1.0, n))


T = scipy.stats.t(4)
HALF = stats.student_quantile(0.95, 4.0) * 0.125
"""From the change to the ends of its interval, where the standard error is 0.125."""
EQUAL = "margin 0 asks for equal values, which can be demanded only in an equal environment"


@pytest.mark.parametrize("sign", [1, -1], ids=["lower is better", "higher is better"])
@pytest.mark.parametrize(
    ("worse", "make", "margin", "verdict", "reason", "p"),
    [
        (0.5, partial(moved_by, unit="one", silent="because"), 0.25, "inconclusive", "worse by 0.5: because", None),
        (-0.5, partial(moved_by, unit="one", silent="because"), 0.25, "inconclusive", "better by 0.5: because", None),
        (0.0, moved_by, 0.0, "unchanged", "no change (exact), margin 0", 0),
        (0.5, moved_by, 0.5, "unchanged", "worse by 0.5 (exact), margin 0.5", 0),
        (-0.5, moved_by, 0.5, "unchanged", "better by 0.5 (exact), margin 0.5", 0),
        (0.5, moved_by, 0.25, "inconclusive", f"worse by 0.5: {METRIC_DIFFERS}", None),
        (-0.5, moved_by, 0.25, "inconclusive", f"better by 0.5: {METRIC_DIFFERS}", None),
        (1.0, varying, 0.0, "inconclusive", f"worse by 1; {EQUAL}", None),
        (0.5, varying, 0.25, "regressed",
            "worse by 0.5 (90 % interval 0.234 to 0.766), margin 0.25, 5 paired seeds", T.sf(4)),
        (0.5, varying, 0.5, "regressed",
            "worse by 0.5 (90 % interval 0.234 to 0.766), margin 0.5, 5 paired seeds", T.sf(4)),
        (-0.5, varying, 0.25, "improved",
            "better by 0.5 (90 % interval 0.234 to 0.766), margin 0.25, 5 paired seeds", T.sf(4)),
        (-0.5, varying, 0.5, "improved",
            "better by 0.5 (90 % interval 0.234 to 0.766), margin 0.5, 5 paired seeds", T.sf(4)),
        (0.25, varying, 0.75, "unchanged",
            "worse by 0.25 (90 % interval -0.0165 to 0.516), margin 0.75, 5 paired seeds", T.sf(4)),
        (-HALF, varying, 0.125, "unchanged",
            "better by 0.266 (90 % interval 0 to 0.533), margin 0.125, 5 paired seeds", T.sf(HALF / 0.125 + 1)),
    ],
)  # fmt: skip
def test_what_is_decided_and_why(
    sign: int,
    worse: float,
    make: Callable[[float], Evidence],
    margin: float,
    verdict: str,
    reason: str,
    p: float | None,
) -> None:
    better: Literal["lower", "higher"] = "lower" if sign > 0 else "higher"
    found = decide(make(sign * worse), better, margin, same_environment=False)
    assert (found.verdict, found.reason, found.p) == (verdict, reason, p if p is None else pytest.approx(p))
    assert (found.detectable, found.more_repeats) == (None, None)


@pytest.mark.parametrize("sign", [1, -1], ids=["lower is better", "higher is better"])
@pytest.mark.parametrize(
    ("worse", "margin", "gap", "reason"),
    [
        (HALF, 0.125, HALF, "worse by 0.266 (90 % interval 0 to 0.533), margin 0.125, {}: the interval contains 0"),
        (0.25, 0.25, 0.25, "worse by 0.25 (90 % interval -0.0165 to 0.516), margin 0.25, {}: the interval contains 0"),
        (0.25, 0.375, 0.125,
            "worse by 0.25 (90 % interval -0.0165 to 0.516), margin 0.375, {}: the interval reaches the margin"),
        (0.25, 0.25 + HALF, HALF,
            "worse by 0.25 (90 % interval -0.0165 to 0.516), margin 0.516, {}: the interval reaches the margin"),
        (-0.125, 0.125, 0.25,
            "better by 0.125 (90 % interval -0.141 to 0.391), margin 0.125, {}: the interval reaches the margin"),
    ],
)  # fmt: skip
def test_what_is_not_decided_says_what_would_be_needed(
    sign: int, worse: float, margin: float, gap: float, reason: str
) -> None:
    found = decide(varying(sign * worse), "lower" if sign > 0 else "higher", margin, same_environment=True)
    assert (found.verdict, found.reason, found.p) == ("inconclusive", reason.format("5 paired seeds"), None)
    assert found.detectable == pytest.approx(stats.detectable(0.125 * 5**0.5, 5))
    needed = stats.repeats_needed(0.125 * 5**0.5, gap)
    assert needed
    assert found.more_repeats == needed - 5


def test_repeats_that_are_not_paired_are_told_as_they_are() -> None:
    apart = decide(replace(varying(0.5), unit="items", paired=False), "lower", 0.25, same_environment=True)
    assert apart.reason == "worse by 0.5 (90 % interval 0.234 to 0.766), margin 0.25, 5 items"


def test_one_more_repeat_is_the_least_to_ask_for_and_without_a_gap_there_is_no_number() -> None:
    few_degrees = replace(moved_by(0.5, "items"), spread=stats.Estimate(0.5, 0.125, 1.0, 5))
    one = decide(few_degrees, "lower", 0.25, same_environment=True)
    assert (one.verdict, one.more_repeats) == ("inconclusive", 1)
    none = decide(varying(0.0), "lower", 0.0, same_environment=True)
    assert (none.verdict, none.more_repeats) == ("inconclusive", None)


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


def judged(verdict: Verdict, p: float | None, *, gated: bool = True, margin: float | None = 0.25) -> Judged:
    """Of a baseline of 0.5, with what it takes to be demoted."""
    estimate = Estimate(0.5, 1.0, 0.5, 0.25, 0.75, "seeds", 5, True)
    finding = Finding("m", "score", "lower", {}, 1, None, gated, verdict, "because", estimate, margin, p)
    return Judged(finding, varying(0.5), stats.Estimate(0.5, 0.0625, 4.0, 5), {"better": "lower"})


def corrected(*family: Judged, alpha: float = 0.05) -> list[str | None]:
    return [f.verdict for f in correct(family, alpha)]


def test_of_several_gates_each_claim_counts_and_what_is_inconclusive_counts_as_one_that_fell() -> None:
    sure, surer = judged(Verdict.REGRESSED, 0.04), judged(Verdict.IMPROVED, 0.001)
    assert corrected(sure, surer) == ["regressed", "improved"]
    for unsure in (judged(Verdict.INCONCLUSIVE, None), judged(Verdict.INCONCLUSIVE, 0.001)):
        assert corrected(sure, unsure) == ["inconclusive", "inconclusive"]
        assert corrected(unsure, surer) == ["inconclusive", "improved"]
    for no_test in (judged(Verdict.INCOMPARABLE, 0.001), judged(Verdict.UNCHANGED, 0.5, gated=False)):
        assert corrected(sure, no_test) == ["regressed", no_test.finding.verdict]


def test_the_level_is_that_of_the_look() -> None:
    claim = judged(Verdict.REGRESSED, 0.04)
    assert corrected(claim, alpha=0.04) == ["regressed"]
    assert corrected(claim, alpha=0.03) == ["inconclusive"]
    assert corrected(claim, judged(Verdict.UNCHANGED, 0.05), alpha=0.1) == ["regressed", "unchanged"]


def test_a_gate_says_what_it_sees_and_what_is_wrong_with_its_margin() -> None:
    (given,) = correct([judged(Verdict.REGRESSED, 0.04)])
    visible = stats.detectable(math.sqrt(2) * 0.0625 * math.sqrt(5), 5, 0.05)
    assert (given.sees, given.beside) == (pytest.approx(visible), ())
    among, _ = correct([judged(Verdict.REGRESSED, 0.01), judged(Verdict.REGRESSED, 0.01)], 0.04)
    assert among.sees == pytest.approx(stats.detectable(math.sqrt(2) * 0.0625 * math.sqrt(5), 5, 0.02))
    wide = judged(Verdict.UNCHANGED, 0.01, margin=4.0)
    noted = replace(wide, finding=replace(wide.finding, beside=("a note",)))
    (said,) = correct([noted])
    assert said.beside == (
        "a note",
        f"margin 4 is {4 / visible:.3g} times the smallest change that it can see, {visible:.3g}",
    )
    for silent in (
        judged(Verdict.UNCHANGED, 0.01, gated=False),
        judged(Verdict.UNCHANGED, 0.01, margin=None),
        replace(wide, finding=replace(wide.finding, estimate=None)),
    ):
        assert correct([silent]) == (silent.finding,)
    ungated = judged(Verdict.UNCHANGED, 0.01, gated=False, margin=4.0)
    assert correct([wide, ungated])[1] == ungated.finding


@pytest.mark.parametrize("better", ["higher", "lower"])
@pytest.mark.parametrize(
    ("worse", "verdict", "gap"),
    [
        ([0.05, 0.02, 0.09, 0.01, 0.03], "regressed", 0.04),
        ([-0.05, -0.02, -0.09, -0.01, -0.03], "improved", 0.04),
        ([0.016, -0.006, 0.013, 0.004, -0.002], "unchanged", 0.015),
        ([-0.029, 0.024, -0.034, 0.0075, 0.0065], "unchanged", 0.025),
    ],
)
def test_a_claim_that_fell_says_how_many_more_repeats_would_keep_it(
    better: str, worse: list[float], verdict: str, gap: float
) -> None:
    """The interval has to end before what the change is compared with: no change, or the margin."""
    change = [w if better == "lower" else -w for w in worse]
    directed = {f"m{i}": metric(fields={"score": {"better": better}}) for i in range(8)}
    ours, theirs = (side(*s.run.scores, metrics=directed) for s in many([change] * 8))
    gates = [gate(0.02, metric=name) for name in directed]
    assert compare(ours, theirs, gates[:1]).findings[0].verdict == verdict
    fallen = compare(ours, theirs, gates).findings[0]
    assert fallen.verdict is Verdict.INCONCLUSIVE
    needed = stats.repeats_needed(stats.paired(BASE, shifted(change)).sd, gap, 0.05 / 8)
    assert needed
    assert fallen.more_repeats == needed - 5


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
