from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from compare.runs import (
    BASE,
    FIELDS,
    apart,
    compared,
    gate,
    itemised,
    metric,
    only,
    read,
    repeats,
    run,
    score,
    seeded,
    side,
    single,
)
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import Verdict, sample, stats
from harness.compare.evidence import NO_STEP, ONE, Evidence, gather
from harness.compare.match import match
from harness.compare.sample import Side
from harness.compare.verdict import compare
from harness.errors import Exit
from harness.store.record import MetricInfo, Read, Repeat


@pytest.mark.parametrize(
    ("candidate", "baseline"), [(BASE[:2], BASE), (BASE, BASE[:2]), (BASE[:1], BASE[:1])]
)
def test_fewer_than_three_repeats_are_incomparable_and_still_show_both_values(
    candidate: list[float], baseline: list[float]
) -> None:
    comparison = compared(seeded(candidate), seeded(baseline))
    found = only(comparison)
    assert found.verdict is Verdict.INCOMPARABLE
    assert "at least 3" in found.reason
    assert found.estimate
    assert found.estimate.candidate == pytest.approx(sum(candidate) / len(candidate))
    assert comparison.exit() is Exit.INCOMPARABLE


def test_seeds_that_are_not_shared_are_compared_by_welch() -> None:
    moved = score(tuple(replace(r, seeds={"train.seed": i + 3}) for i, r in enumerate(repeats(BASE))))
    found = only(compared(side(moved), seeded([b + 0.1 for b in BASE])))
    assert found.estimate
    assert not found.estimate.paired, "two shared seeds are too few to pair"
    assert found.verdict is Verdict.REGRESSED
    assert found.reason.endswith("5 seeds")


def test_only_the_shared_seeds_count_when_there_are_enough() -> None:
    found = only(compared(seeded([*BASE, 9.0]), seeded([*BASE])))
    assert found.estimate
    assert found.estimate.repeats == 5
    assert found.estimate.change == 0


def of_seeds(seeds: Sequence[int], **changes: object) -> Side:
    """Seeds that give other values and bytes each; equal seeds give equal ones."""
    made = repeats([0.80 + 0.01 * (7 * s % 20) for s in range(20)])
    return side(score(tuple(replace(made[s], **changes) for s in seeds)))


@pytest.mark.parametrize("seeds", [[2, 3, 4], [2, 13, 14, 15], [1, 2, 4, 6], [0, 1, 8], [5, 6, 7]])
def test_equal_bytes_of_a_few_seeds_say_nothing_of_the_others(seeds: list[int]) -> None:
    found = only(compared(of_seeds(seeds), of_seeds([0, 1, 2])))
    assert found.estimate
    assert (found.estimate.unit, found.estimate.paired, found.p == 0) == ("seeds", False, False)
    assert found.estimate.low is not None
    assert found.estimate.high is not None
    assert found.estimate.low < found.estimate.change < found.estimate.high
    assert "same bytes" not in found.reason


@given(st.sets(st.integers(0, 8), min_size=3, max_size=6), st.sets(st.integers(0, 8), min_size=3, max_size=6))
def test_a_change_is_exact_only_if_every_repeat_that_counts_is_of_equal_bytes(
    ours: set[int], theirs: set[int]
) -> None:
    found = only(compared(of_seeds(sorted(ours)), of_seeds(sorted(theirs))))
    assert found.estimate
    assert (found.estimate.unit == "exact") == (len(ours & theirs) >= 3)
    assert (found.p == 0) == (found.estimate.unit == "exact")


def test_repeats_that_do_not_count_say_nothing_of_what_ran_and_where() -> None:
    """Three seeds come from the store; those that are only here ran, elsewhere."""
    stored, ran = (
        of_seeds(seeds, executed=executed, environments=(where,)).run.scores[0].repeats
        for seeds, executed, where in (([0, 1, 2], False, "here"), ([3, 4, 5], True, "there"))
    )
    environments = {"here": {"torch": "1"}, "there": {"torch": "2"}}
    ours = side(score((*stored, *ran)), environments=environments)
    found = only(compared(ours, side(score(stored), environments=environments)))
    assert (found.verdict, found.executed, found.causes) == (Verdict.UNCHANGED, False, ())
    turned = only(compared(side(score(ran), environments=environments), ours))
    assert (turned.executed, turned.causes) == (True, ()), "both sides' shared repeats ran there"
    apart = only(
        compared(side(score(ran), environments=environments), side(score(stored), environments=environments))
    )
    assert [str(c) for c in apart.causes] == ["torch: 1 → 2"]


def test_nested_seeds_are_averaged_up_to_the_outermost() -> None:
    def nested(values: list[float]) -> Side:
        made = tuple(
            Repeat({"train.seed": i // 2, "sample.seed": i % 2}, "k", {"score": v}, steps={"score": 0.001})
            for i, v in enumerate(values)
        )
        return side(score(made), metrics={"m": MetricInfo("m@1", FIELDS, ("train.seed", "sample.seed"))})

    values = [0.7, 0.9, 0.75, 0.85, 0.8, 0.82]
    found = only(
        compared(nested([v + d for v, d in zip(values, [-0.1, 0.1] * 3, strict=True)]), nested(values))
    )
    assert found.estimate
    assert found.estimate.repeats == 3
    assert found.verdict is Verdict.UNCHANGED, "within each training the two samplings cancel"
    assert only(compared(nested(values[:4]), nested(values[:4]))).verdict is Verdict.INCOMPARABLE


def test_a_seed_that_not_every_point_has_does_not_count() -> None:
    points = score(repeats(BASE), {"m.k": 0}), score(repeats([*BASE, 9.0]), {"m.k": 1})
    estimate = only(compared(side(*points), side(*points))).estimate
    assert estimate
    assert (estimate.repeats, estimate.baseline) == (5, pytest.approx(0.81))


@pytest.mark.parametrize("value", [0.80, 0.79, 0.77, 0.83])
@pytest.mark.parametrize("margin", [0, 0.02])
def test_of_one_value_a_side_nothing_is_claimed(value: float, margin: float) -> None:
    baseline = side(score(single(0.80, content="theirs")))
    found = only(compared(side(score(single(value)), gates=(gate(margin),)), baseline))
    assert (found.verdict, found.p) == (Verdict.INCONCLUSIVE, None)
    assert found.reason.endswith("one value a side, and nothing says how far another would be")
    assert found.estimate
    assert (found.estimate.unit, found.estimate.low, found.estimate.high) == ("one", None, None)
    assert found.estimate.change == pytest.approx(value - 0.80)


def test_without_a_gate_one_value_is_shown_with_its_change_and_no_interval() -> None:
    found = only(compare(side(score(single(0.7))), side(score(single(0.8))), ()))
    assert (found.verdict, found.gated) == (None, False)
    assert "nothing says how far another would be" in found.reason
    assert found.estimate
    assert (found.estimate.change, found.estimate.low) == (pytest.approx(-0.1), None)


def test_of_equal_bytes_the_values_are_exact() -> None:
    found = only(compared(side(score(single(0.8))), side(score(single(0.8)))))
    assert (found.verdict, found.p) == (Verdict.UNCHANGED, 0)
    assert found.reason == "no change (exact), margin 0.02"
    assert found.estimate
    assert (found.estimate.unit, found.estimate.low, found.estimate.high) == ("exact", 0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.805, "unchanged"), (0.795, "unchanged"), (0.7, "inconclusive"), (0.9, "inconclusive")],
)
def test_another_value_of_the_same_bytes_is_the_metrics_own_doing(value: float, verdict: str) -> None:
    found = only(compared(side(score(single(value, content=1))), side(score(single(0.8, content=1)))))
    assert found.verdict == verdict
    if verdict == "inconclusive":
        assert "the metric read the same bytes on both sides" in found.reason
        assert "harness rescore" in found.reason


def test_where_what_stands_beside_the_bytes_differs_too_the_metric_may_have_read_it() -> None:
    (other,) = single(0.9, content=1)
    other = replace(other, read=Read(read(1).files, "other facts"))
    found = only(compared(side(score((other,))), side(score(single(0.8, content=1)))))
    assert found.estimate
    assert found.estimate.unit == "one"


def test_repeats_that_coincide_say_nothing_where_the_metric_does_not_say_how_coarse_it_is() -> None:
    for values in ([0.5] * 5, [b - 0.25 for b in BASE]):
        base = [v + 0.25 for v in values]
        theirs = side(score(apart(base, step=None)))
        found = only(compared(side(score(apart(values, step=None))), theirs))
        assert (found.verdict, found.p) == (Verdict.INCONCLUSIVE, None)
        assert "all 5 repeats moved by the same" in found.reason
        assert "`steps`" in found.reason
        assert found.estimate
        assert found.estimate.low is None


def test_repeats_that_coincide_are_no_surer_than_the_step_of_the_metric() -> None:
    theirs = side(score(apart([0.75] * 5, step=0.25)))
    found = only(compared(side(score(apart([0.5] * 5, step=0.25))), theirs))
    assert found.verdict is Verdict.INCONCLUSIVE, "five times one step worse: t = √5 / 1.5"
    assert found.estimate
    assert found.estimate.high is not None
    half = stats.student_quantile(0.95, 4.0) * stats.COARSE * 0.25 / 5**0.5
    assert found.estimate.high == pytest.approx(-0.25 + half)
    several = only(compared(side(score(apart([0.0] * 5, step=0.25))), theirs))
    assert several.verdict is Verdict.REGRESSED, "three steps worse: t = 2 √5"


def test_the_step_of_a_mean_over_points_and_inner_seeds_is_finer() -> None:
    def at(points: int, value: float) -> Side:
        return side(*[score(apart([value] * 5, step=0.25), {"m.k": k}) for k in range(points)])

    widths = []
    for points in (1, 4):
        estimate = only(compared(at(points, 0.5), at(points, 0.75))).estimate
        assert estimate
        assert estimate.high is not None
        assert estimate.low is not None
        widths.append(estimate.high - estimate.low)
    assert widths[0] == pytest.approx(4 * widths[1])


def test_rounding_is_no_change() -> None:
    tiny = [b * (1 + 2e-16) for b in BASE]
    assert any(t != b for t, b in zip(tiny, BASE, strict=True))
    found = only(
        compared(
            side(score(apart(tiny))),
            side(score(apart(BASE))),
        )
    )
    assert found.verdict is Verdict.UNCHANGED
    assert found.estimate
    assert found.estimate.change == 0
    assert found.reason.startswith("no change")
    one = only(compared(side(score(single(0.1 + 0.2))), side(score(single(0.3)))))
    assert one.estimate
    assert one.estimate.change == 0


def test_a_shift_of_all_repeats_is_told_where_it_is_more_than_rounding() -> None:
    """The rounding of one value is nine times the distance to the next number: of 1.5, up to 13.5 steps."""
    eps = sys.float_info.epsilon
    theirs = side(score(apart([1.5] * 3, step=None)))
    for steps, change in ((13, 0.0), (14, -14 * eps)):
        found = gathered(side(score(apart([1.5 - steps * eps] * 3, step=None))), theirs)
        assert (found.change, found.interval()) == (change, None)


def drawn(n: int, seed: int, shift: float = 0.0, spread: float = 0.2) -> dict[str, float]:
    numbers = random.Random(seed)
    return {f"item-{i}": numbers.gauss(0.8, 0.1) + numbers.gauss(shift, spread) for i in range(n)}


def test_items_are_the_repeats_where_no_seed_reaches_the_metric(tmp_path: Path) -> None:
    base = drawn(200, 1)
    worse = {name: v - 0.1 + 0.01 * (i % 3) for i, (name, v) in enumerate(base.items())}
    found = only(compared(itemised(tmp_path / "a", [worse]), itemised(tmp_path / "b", [base])))
    assert found.estimate
    assert (found.estimate.unit, found.estimate.paired, found.estimate.repeats) == ("items", True, 200)
    assert found.verdict is Verdict.REGRESSED


def test_items_that_are_not_shared_are_compared_by_welch(tmp_path: Path) -> None:
    other = {f"other-{n}": v for n, v in drawn(200, 2).items()}
    found = only(compared(itemised(tmp_path / "a", [other]), itemised(tmp_path / "b", [drawn(200, 1)])))
    assert found.estimate
    assert (found.estimate.unit, found.estimate.paired) == ("items", False)


def test_clustered_items_are_as_many_repeats_as_there_are_clusters(tmp_path: Path) -> None:
    base, new = drawn(60, 1), drawn(60, 2)
    clusters = {name: f"document-{i // 10}" for i, name in enumerate(base)}
    found = only(
        compared(itemised(tmp_path / "a", [new], clusters), itemised(tmp_path / "b", [base], clusters))
    )
    assert found.estimate
    assert (found.estimate.unit, found.estimate.repeats) == ("items", 6)
    changes = [new[n] - base[n] for n in base]
    low, high = stats.clustered(changes, [clusters[n] for n in base]).interval()
    assert (found.estimate.low, found.estimate.high) == (pytest.approx(low), pytest.approx(high))


def test_an_item_at_several_points_is_one_repeat(tmp_path: Path) -> None:
    base, new = drawn(50, 1), drawn(50, 2)
    once = only(compared(itemised(tmp_path / "a", [new]), itemised(tmp_path / "b", [base]))).estimate
    thrice = only(
        compared(itemised(tmp_path / "c", [new] * 3), itemised(tmp_path / "d", [base] * 3))
    ).estimate
    assert once
    assert thrice
    assert thrice.repeats == 50
    assert thrice.low == pytest.approx(once.low), "copies add nothing to what is known"


def test_too_few_items_say_nothing(tmp_path: Path) -> None:
    ours, theirs = itemised(tmp_path / "a", [drawn(2, 1)]), itemised(tmp_path / "b", [drawn(2, 2)])
    found = only(compared(ours, theirs))
    assert (found.verdict, found.p) == (Verdict.INCONCLUSIVE, None)
    assert "only 2 independent items" in found.reason
    assert found.estimate
    assert (found.estimate.unit, found.estimate.low) == ("one", None)


def test_few_clusters_say_nothing_however_many_items_they_have(tmp_path: Path) -> None:
    clusters = {name: f"document-{i % 2}" for i, name in enumerate(drawn(60, 1))}
    ours, theirs = (itemised(tmp_path / n, [drawn(60, i)], clusters) for i, n in enumerate("ab"))
    assert "only 2 independent items" in only(compared(ours, theirs)).reason


def test_items_that_are_all_alike_are_exact(tmp_path: Path) -> None:
    ours, theirs = (itemised(tmp_path / n, [drawn(9, 1)], content=n) for n in "ab")
    found = only(compared(ours, theirs))
    assert (found.verdict, found.p) == (Verdict.UNCHANGED, 0)
    assert found.estimate
    assert (found.estimate.unit, found.estimate.repeats) == ("exact", 9)
    noise = {name: v * (1 + 2e-16) for name, v in drawn(9, 1).items()}
    rounded = only(compared(itemised(tmp_path / "c", [noise], content="c"), theirs))
    assert rounded.estimate
    assert (rounded.verdict, rounded.estimate.unit, rounded.estimate.change) == ("unchanged", "exact", 0)


def test_items_that_all_moved_by_one_constant_are_not_exact(tmp_path: Path) -> None:
    base = {f"i{n}": float(n % 2) for n in range(20)}
    moved = {name: v - 0.25 for name, v in base.items()}
    sides = itemised(tmp_path / "a", [moved]), itemised(tmp_path / "b", [base])
    silent = only(compared(*sides))
    assert (silent.verdict, silent.p) == (Verdict.INCONCLUSIVE, None)
    assert "all 20 items moved by the same" in silent.reason
    for step, verdict in ((1 / 20, "inconclusive"), (0.1 / 20, "regressed")):
        told = [with_step(s, step) for s in sides]
        found = only(compared(*told))
        assert found.verdict == verdict
        assert found.estimate
        assert found.estimate.high is not None
        half = stats.student_quantile(0.95, 19.0) * stats.COARSE * step * 20**0.5
        assert found.estimate.high == pytest.approx(-0.25 + half)


def with_step(given: Side, step: float) -> Side:
    (only_score,) = given.run.scores
    stepped = tuple(replace(r, steps={"score": step}) for r in only_score.repeats)
    return replace(given, run=replace(given.run, scores=(replace(only_score, repeats=stepped),)))


def test_items_of_which_some_are_shared_are_one_estimate_over_their_union(tmp_path: Path) -> None:
    everything = drawn(60, 1)
    names = list(everything)
    base = {n: everything[n] for n in names[:40]}
    new = {n: everything[n] + (0.1 if i % 2 else -0.05) for i, n in enumerate(names[20:])}
    found = only(compared(itemised(tmp_path / "a", [new]), itemised(tmp_path / "b", [base])))
    assert found.estimate
    assert (found.estimate.unit, found.estimate.paired, found.estimate.repeats) == ("items", False, 40)
    means = sum(new.values()) / 40, sum(base.values()) / 40
    assert found.estimate.change == pytest.approx(means[0] - means[1]), "of the sides' own values"
    expected = stats.overlapping(means[0] - means[1], stats.contributions(base), stats.contributions(new))
    assert (found.estimate.low, found.estimate.high) == pytest.approx(expected.interval())


def test_an_item_that_one_point_lacks_still_counts_at_the_others(tmp_path: Path) -> None:
    base, new = drawn(30, 1), drawn(30, 2)
    some = {n: v for i, (n, v) in enumerate(new.items()) if i < 20}
    sides = itemised(tmp_path / "a", [new, some]), itemised(tmp_path / "b", [base, base])
    found = only(compared(*sides)).estimate
    assert found
    mean = (sum(new.values()) / 30 + sum(some.values()) / 20) / 2
    assert found.candidate == pytest.approx(mean)
    assert found.change == pytest.approx(mean - sum(base.values()) / 30)
    assert found.repeats == 30


@pytest.mark.parametrize(
    ("ours", "theirs", "lacking"),
    [
        (3, 1, "1 repeat in the baseline;"),
        (2, 3, "2 repeats in the candidate;"),
        (1, 2, "2 repeats in the baseline and 1 repeat in the candidate;"),
    ],
)
def test_the_side_that_has_too_few_repeats_is_named(ours: int, theirs: int, lacking: str) -> None:
    sides = (Side(run(score(apart([float(i) for i in range(n)])))) for n in (ours, theirs))
    found = only(compared(*sides))
    assert found.reason == f"{lacking} where a seed reaches the metric at least 3 are needed"
    assert found.estimate
    assert (found.estimate.unit, found.estimate.paired) == ("seeds", False)
    assert found.estimate.repeats == min(ours, theirs)


def test_seeds_that_gave_two_different_outputs_vary_by_an_unknown_amount() -> None:
    """The items would show how sure the mean of these two is, and nothing of a third."""
    base, new = (Side(run(score(repeats(values)))) for values in ([0.5, 0.5, 0.7], [0.6, 0.6, 0.8]))
    found = only(compared(new, base))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert (
        "3 seeds gave 2 different outputs: 2 repeats; at least 3 different outputs are needed" in found.reason
    )
    assert sample.alone(new.run.scores, "score", new) is None
    unpaired = Side(
        run(
            score(
                tuple(replace(r, seeds={"train.seed": 7 + i}) for i, r in enumerate(repeats([0.6, 0.6, 0.8])))
            )
        )
    )
    assert only(compared(unpaired, base)).verdict is Verdict.INCONCLUSIVE


def gathered(ours: Side, theirs: Side) -> Evidence:
    return gather(match(ours.run, theirs.run).pairs, "score", ours, theirs)


def said(ours: Side, theirs: Side) -> tuple[str, bool, int, str, str]:
    """What was repeated, whether in pairs, how often; why nothing can be claimed; which repeats count once."""
    found = gathered(ours, theirs)
    return found.unit, found.paired, found.repeats, found.silent, found.note


def sweeping(values: Sequence[float], first: int = 0) -> Side:
    """Seeds from ``first``; equal values of two of them come of equal bytes."""
    made = repeats(values)
    return side(score(tuple(replace(r, seeds={"train.seed": first + i}) for i, r in enumerate(made))))


SAME = "3 seeds gave the same bytes: one repeat"
TWO = "3 seeds gave 2 different outputs: 2 repeats"
UNSHARED = "0 of the baseline's 3 seeds are shared: they are not paired"
FEW = "at least 3 different outputs are needed on each side"


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (sweeping([2.0] * 3), sweeping([1.0] * 3), ("one", False, 1, f"{SAME}; {ONE}", SAME)),
        (sweeping([1.0] * 3), sweeping([1.0] * 3), ("exact", True, 1, "", SAME)),
        (sweeping([1.0] * 3), sweeping([1.0] * 3, first=3), (
            "exact", True, 1, "", f"{SAME} in the baseline; {SAME} here")),
        (sweeping([2.0] * 3), sweeping([1.0] * 3, first=3), (
            "one", False, 1, f"{SAME} in the baseline; {SAME} here; {ONE}", f"{SAME} in the baseline; {SAME} here")),
        (sweeping([2.0, 2.0, 3.0]), sweeping([1.0, 1.0, 2.5]), ("seeds", False, 2, f"{TWO}; {FEW}", TWO)),
        (sweeping([2.0, 2.0, 3.0]), sweeping([2.0, 2.0, 3.0]), ("exact", True, 2, "", TWO)),
        (sweeping([2.0, 2.0, 3.0], first=3), sweeping([1.0] * 3), (
            "seeds", False, 2, f"{SAME} in the baseline; {TWO} here; {FEW}", f"{SAME} in the baseline; {TWO} here")),
        (sweeping([1.0, 2.0, 3.0], first=3), sweeping([1.5] * 3), (
            "seeds", False, 2, f"{SAME} in the baseline; {FEW}", f"{SAME} in the baseline")),
        (sweeping([1.0, 2.0, 3.0]), sweeping([1.5] * 3), (
            "seeds", False, 2, f"{SAME} in the baseline; {FEW}", f"{SAME} in the baseline")),
        (sweeping([1.5] * 3), sweeping([1.0, 2.0, 3.0]), ("seeds", False, 2, f"{SAME} here; {FEW}", f"{SAME} here")),
        (sweeping([1.0, 2.0, 3.0], first=3), sweeping([1.0, 2.0, 4.0]), ("seeds", False, 3, "", UNSHARED)),
        (sweeping([1.0, 2.0, 3.0]), sweeping([1.0, 2.0, 4.0]), ("seeds", True, 3, "", "")),
    ],
)  # fmt: skip
def test_seeds_that_gave_the_same_are_told_and_said_to_show_nothing(
    ours: Side, theirs: Side, expected: tuple[object, ...]
) -> None:
    assert said(ours, theirs) == expected
    found = gathered(ours, theirs)
    assert (found.baseline, found.candidate) == (
        pytest.approx(sum(r.values["score"] for r in theirs.run.scores[0].repeats) / 3),
        pytest.approx(sum(r.values["score"] for r in ours.run.scores[0].repeats) / 3),
    )


def test_the_seeds_that_count_are_told_where_they_are_shared() -> None:
    keys = [(("train.seed", n),) for n in range(4)]
    assert gathered(sweeping([1.0, 2.0, 3.0, 1.0]), sweeping([0.0, 2.0, 4.0, 0.0])).seeds == {*keys}
    assert gathered(sweeping([1.0, 2.0, 3.0], first=3), sweeping([0.0, 2.0, 4.0])).seeds is None


def test_seeds_that_are_not_shared_are_no_surer_than_the_step_of_the_metric() -> None:
    ours, theirs = ([0.50, 0.51, 0.52], [0.7, 0.71, 0.72])
    moved = (replace(r, seeds={"train.seed": 3 + i}) for i, r in enumerate(repeats(ours, step=0.1)))
    found = gathered(side(score(tuple(moved))), side(score(repeats(theirs, step=0.1))))
    coarse = [stats.floored(stats.clustered(values), 0.1) for values in (theirs, ours)]
    assert found.interval() == pytest.approx(stats.apart(*coarse).interval())


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (True, True, ""),
        (True, False, "the baseline"),
        (False, True, "this run"),
        (False, False, "the baseline or of this run"),
    ],
)
def test_times_count_where_both_sides_took_them_in_the_run_itself(
    ours: bool, theirs: bool, told: str
) -> None:
    def of(values: Sequence[float], clocked: bool) -> Side:
        made = repeats(values)
        timed = {"m": metric(timed=True)}
        return side(score((*made[:2], replace(made[2], clocked=clocked))), metrics=timed)

    how = "what was timed came from the store (run it with --fresh STAGE)"
    expected = ("one", False, 1, f"no timing of {told}: {how}", "") if told else ("seeds", True, 3, "", "")
    assert said(of([1.0, 2.0, 3.0], ours), of([1.0, 2.0, 3.0], theirs)) == expected, (
        "nor are equal bytes equal times"
    )


@pytest.mark.parametrize(("ours", "theirs"), [(True, True), (True, False), (False, True), (False, False)])
def test_times_are_times_if_one_side_says_so(ours: bool, theirs: bool) -> None:
    stored = score(tuple(replace(r, clocked=False) for r in repeats([1.0, 2.0, 3.0])))
    sides = (side(stored, metrics={"m": metric(timed=timed)}) for timed in (ours, theirs))
    assert gathered(*sides).unit == ("one" if ours or theirs else "exact")


def test_what_is_exact_has_no_spread() -> None:
    found = gathered(sweeping([1.0, 2.0, 3.0]), sweeping([1.0, 2.0, 3.0]))
    assert (found.unit, found.spread, found.interval()) == ("exact", None, (0.0, 0.0))


def few(n: int, by: float = 0.0) -> dict[str, float]:
    return {f"i{k}": k / 8 + by * (k + 1) for k in range(n)}


def test_what_items_say(tmp_path: Path) -> None:
    needed = "and at least 3 are needed"
    shared = "{} of the baseline's {} items are shared"
    noise = {name: v * (1 + 2e-16) for name, v in drawn(9, 1).items()}
    moved = {name: v + 0.5 for name, v in few(8).items()}
    other = {name.replace("i", "j"): v for name, v in moved.items()}
    for n, (ours, theirs, seeds, expected) in enumerate(
        [
            (few(3, 0.1), few(3), 0, ("items", True, 3, "", "")),
            (few(2, 0.1), few(2), 0, ("one", False, 1, f"only 2 independent items, {needed}", "")),
            (
                few(1, 0.1),
                few(3),
                0,
                ("one", False, 1, f"only 1 independent item, {needed}", shared.format(1, 3)),
            ),
            (few(3, 0.1), few(2), 0, ("one", False, 1, f"only 2 independent items, {needed}", "")),
            (few(2, 0.1), few(2), 3, ("one", False, 1, f"only 2 independent items, {needed}", SAME)),
            (few(5, 0.1), few(4), 3, ("items", False, 4, "", SAME)),
            (moved, few(8), 3, ("items", True, 8, f"all 8 items moved by the same, {NO_STEP}", SAME)),
            (other, few(8), 0, ("items", False, 8, "", shared.format(0, 8))),
            (other, few(8), 3, ("items", False, 8, "", f"{SAME}; {shared.format(0, 8)}")),
            (few(7), few(7), 0, ("exact", True, 7, "", "")),
            (noise, drawn(9, 1), 0, ("exact", True, 9, "", "")),
            (noise, drawn(9, 1), 3, ("exact", True, 9, "", SAME)),
        ]
    ):
        sides = (
            with_step(itemised(tmp_path / f"{n}{name}", [rows], content=name, seeds=seeds), 0.0)
            for name, rows in (("a", ours), ("b", theirs))
        )
        assert said(*sides) == expected, n


def test_items_of_other_bytes_that_are_all_alike_are_exact_under_every_seed(tmp_path: Path) -> None:
    ours, theirs = (itemised(tmp_path / name, [few(7)], seeds=3) for name in "ab")
    (given,) = ours.run.scores
    elsewhere = replace(given, repeats=tuple(replace(r, read=read("other")) for r in given.repeats))
    assert said(replace(ours, run=replace(ours.run, scores=(elsewhere,))), theirs) == (
        "exact",
        True,
        7,
        "",
        SAME,
    )


def test_items_on_one_side_alone_say_nothing(tmp_path: Path) -> None:
    ours, theirs = itemised(tmp_path / "a", [few(5)], content="a"), side(score(single(0.3)))
    for sides in ((ours, theirs), (theirs, ours)):
        assert said(*sides) == ("one", False, 1, ONE, "")


def test_items_are_alike_if_they_are_the_same_in_the_same_clusters(tmp_path: Path) -> None:
    rows = {f"i{n}": n / 10 for n in range(8)}
    moved = {name: v + 0.1 + n / 100 for n, (name, v) in enumerate(rows.items())}
    by_two = {name: str(n // 2) for n, name in enumerate(rows)}
    by_four = {name: str(n // 4) for n, name in enumerate(rows)}
    base = itemised(tmp_path / "base", [rows], by_two)
    same = gathered(itemised(tmp_path / "same", [moved], by_two), base)
    assert (same.alike, same.note) == (True, "")
    other = gathered(itemised(tmp_path / "other", [moved], by_four), base)
    assert (other.alike, other.note) == (False, "the items are in other clusters")
    more = gathered(itemised(tmp_path / "more", [{**moved, "new": 0.5}], {**by_two, "new": "9"}), base)
    assert (more.alike, more.note) == (False, ""), "none of the baseline's is missing"
    fewer = dict(list(moved.items())[:6])
    less = gathered(itemised(tmp_path / "less", [fewer], {n: by_two[n] for n in fewer}), base)
    assert (less.alike, less.note) == (False, "6 of the baseline's 8 items are shared")


def test_what_is_not_known_to_be_equal_on_one_side_may_be_equal_on_both() -> None:
    """Values of one side may coincide; where both sides coincide, it may be one repeat, and counts as one."""

    def unknown(values: Sequence[float]) -> Side:
        made = tuple(replace(r, read=None) for r in repeats(values))
        return side(score(made))

    found = gathered(unknown([1.0, 1.0, 2.0, 3.0]), unknown([0.5, 0.6, 0.7, 0.8]))
    assert (found.repeats, found.note) == (4, "")
    both = gathered(unknown([1.0, 1.0, 2.0, 3.0]), unknown([0.5, 0.5, 0.7, 0.8]))
    assert (both.repeats, both.note) == (3, "4 seeds gave 3 different outputs: 3 repeats")
    read = gathered(unknown([1.0, 1.0, 2.0, 3.0]), sweeping([0.5, 0.5, 0.7, 0.8]))
    assert read.note == both.note, "equal on both sides: one sentence"


def test_repeats_that_are_equal_on_either_side_are_told_of_each() -> None:
    ours, theirs = sweeping([1.0, 1.0, 2.0, 3.0, 4.0]), sweeping([5.0, 6.0, 6.5, 6.5, 6.5])
    found = gathered(ours, theirs)
    assert found.repeats == 3
    assert found.note == (
        "5 seeds gave 3 different outputs: 3 repeats in the baseline; "
        "5 seeds gave 4 different outputs: 4 repeats here"
    )
    apart = gathered(sweeping([1.0, 1.0, 2.0, 3.0], first=9), sweeping([5.0, 5.0, 6.0, 7.0]))
    assert apart.note == (
        "4 seeds gave 3 different outputs: 3 repeats in the baseline; "
        "4 seeds gave 3 different outputs: 3 repeats here; "
        "0 of the baseline's 4 seeds are shared: they are not paired"
    )
