from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from compare.runs import FIELDS, HERE, gate, itemised, repeats, score, seeded, side, single
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import stats
from harness.compare.comparison import Comparison, Finding, Verdict
from harness.compare.sample import Side
from harness.compare.verdict import compare, within
from harness.errors import Exit
from harness.record import MetricInfo, Repeat

BASE = [0.80, 0.82, 0.81, 0.79, 0.83]
ELSEWHERE = {"here": {**HERE, "torch": "2.14.0"}}


def compared(candidate: Side, baseline: Side | None) -> Comparison:
    return compare(candidate, baseline, candidate.run.gates)


def only(comparison: Comparison) -> Finding:
    (finding,) = comparison.findings
    return finding


def shifted(by: list[float]) -> list[float]:
    return [b + d for b, d in zip(BASE, by, strict=True)]


@pytest.mark.parametrize(
    ("change", "margin", "verdict"),
    [
        ([-0.05, -0.06, -0.05, -0.04, -0.05], 0.02, "regressed"),
        ([0.05, 0.06, 0.05, 0.04, 0.05], 0.02, "improved"),
        ([0.001, -0.001, 0.002, 0.0, -0.002], 0.02, "unchanged"),
        ([-0.011, -0.010, -0.009, -0.010, -0.010], 0.02, "unchanged"),  # surely worse, surely by less
        ([0.05, -0.05, 0.04, -0.06, 0.03], 0.02, "inconclusive"),
        ([-0.02, -0.005, -0.03, -0.02, -0.01], 0.02, "inconclusive"),  # surely worse, not surely by how much
        ([0.0] * 5, 0.0, "unchanged"),
        ([0.0] * 5, 0.02, "unchanged"),
    ],
)
def test_seeds_that_are_shared_are_paired(change: list[float], margin: float, verdict: str) -> None:
    found = only(compared(seeded(shifted(change), gates=(gate(margin),)), seeded(BASE)))
    assert found.verdict == verdict, found.reason
    assert found.estimate
    assert (found.estimate.unit, found.estimate.paired, found.estimate.repeats) == ("seeds", True, 5)
    assert found.estimate.change == pytest.approx(sum(change) / 5)
    assert found.gated
    assert found.claim == "this recipe"


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


def test_nested_seeds_are_averaged_up_to_the_outermost() -> None:
    def nested(values: list[float]) -> Side:
        made = tuple(
            Repeat({"train.seed": i // 2, "sample.seed": i % 2}, "k", {"score": v})
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


def test_a_gate_judges_the_seed_wise_mean_over_points_and_a_named_point_by_itself() -> None:
    def two(a: float, b: float, **changes: object) -> Side:
        points = [score(repeats([v + x for v in BASE]), {"m.k": k}) for k, x in enumerate((a, b))]
        return side(*points, **changes)  # type: ignore[arg-type]

    mean = only(compared(two(-0.1, 0.1), two(0.0, 0.0)))
    assert (mean.verdict, mean.points, mean.at) == (Verdict.UNCHANGED, 2, {})
    gates = (gate(0.02, at={"m.k": 0}), gate(0.02, at={"m.k": 1}))
    first, second, whole = compared(two(-0.1, 0.1, gates=gates), two(0.0, 0.0)).findings
    assert (first.verdict, first.at, first.points) == (Verdict.REGRESSED, {"m.k": 0}, 1)
    assert (second.verdict, second.at) == (Verdict.IMPROVED, {"m.k": 1})
    assert (whole.verdict, whole.gated, whole.points) == (None, False, 2)


def test_a_relative_margin_is_of_the_baseline_or_of_the_floor() -> None:
    metrics = {"m": MetricInfo("m@1", {"score": {"better": "higher", "floor": 0.5}}, ("train.seed",))}
    relative = {"gates": (gate(0.1, relative=True),), "metrics": metrics}
    assert only(compared(seeded(BASE, **relative), seeded(BASE, **relative))).margin == pytest.approx(0.081)
    small = [b / 100 for b in BASE]
    assert only(compared(seeded(small, **relative), seeded(small, **relative))).margin == pytest.approx(0.05)


def test_without_repeats_the_value_is_exact() -> None:
    def one(value: float, margin: float = 0.02) -> Side:
        return side(score(single(value), claim="this checkpoint"), gates=(gate(margin),))

    verdicts = [only(compared(one(v), one(0.80))).verdict for v in (0.80, 0.79, 0.77, 0.83)]
    assert verdicts == ["unchanged", "unchanged", "regressed", "improved"]
    found = only(compared(one(0.5, 0), one(0.75)))
    assert (found.verdict, found.p) == (Verdict.REGRESSED, 0)
    assert found.reason == "worse by 0.25 (exact), margin 0"
    assert found.estimate
    assert (found.estimate.unit, found.estimate.low) == ("exact", -0.25)
    assert found.claim == "this checkpoint"


def test_equal_values_are_demanded_only_in_an_equal_environment() -> None:
    def one(value: float, margin: float, **changes: object) -> Side:
        return side(score(single(value)), gates=(gate(margin),), **changes)  # type: ignore[arg-type]

    other = one(0.8, 0, environments=ELSEWHERE)
    found = only(compared(one(0.79999, 0), other))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "equal environment" in found.reason
    assert [str(c) for c in found.causes] == ["torch: 2.14.0 → 2.15.0"]
    assert only(compared(one(0.8, 0), other)).verdict is Verdict.UNCHANGED
    assert only(compared(one(0.7, 0.02), other)).verdict is Verdict.REGRESSED, (
        "a margin is demanded everywhere"
    )


def test_repeats_without_any_spread_count_as_exact() -> None:
    found = only(compared(seeded([0.5] * 5), seeded([0.75] * 5)))
    assert (found.verdict, found.p) == (Verdict.REGRESSED, 0)
    assert found.reason == "worse by 0.25 (exact, the same over 5 paired seeds), margin 0.02"


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


def test_too_few_items_leave_one_exact_value(tmp_path: Path) -> None:
    found = only(compared(itemised(tmp_path / "a", [drawn(2, 1)]), itemised(tmp_path / "b", [drawn(2, 1)])))
    assert found.estimate
    assert found.estimate.unit == "exact"


def test_differing_protocols_are_incomparable_and_named() -> None:
    changed = side(score(repeats(BASE), protocol={"m.use": "m@1", "real.n": 500}), defaults={})
    comparison = compared(changed, side(score(repeats(BASE), protocol={"m.use": "m@1", "real.n": 250})))
    found = only(comparison)
    assert found.verdict is Verdict.INCOMPARABLE
    assert found.reason == "the protocols differ in real.n"
    assert [str(d) for d in found.differences] == ["real.n: 250 → 500"]
    assert found.estimate, "both values are still shown"
    assert comparison.exit() is Exit.INCOMPARABLE
    ungated = only(compare(changed, seeded(BASE), ()))
    assert (ungated.verdict, ungated.gated) == (Verdict.INCOMPARABLE, False)


def test_another_environment_is_a_cause_and_never_a_reason_not_to_compare() -> None:
    found = only(compared(seeded(BASE), seeded(BASE, environments=ELSEWHERE)))
    assert found.verdict is Verdict.UNCHANGED
    assert [c.field for c in found.causes] == ["torch"]


def test_no_baseline_is_incomparable_for_each_gate() -> None:
    comparison = compare(seeded(BASE), None, (gate(0.02), gate(0.1, metric="kid")), note="accept one")
    assert [(f.metric, f.verdict) for f in comparison.findings] == [(m, "incomparable") for m in ("m", "kid")]
    assert (comparison.exit(), comparison.note) == (Exit.INCOMPARABLE, "accept one")


def test_fields_without_a_gate_are_reported_and_those_without_a_direction_are_not_compared() -> None:
    fields = {**FIELDS, "loss": {"better": "lower", "floor": 0.0}, "count": None}
    values = {"loss": 1.0, "count": 7.0}
    full = side(
        score(tuple(replace(r, values={**r.values, **values}) for r in repeats(BASE))),
        metrics={"m": MetricInfo("m@1", fields, ("train.seed",))},
    )
    found = {f.name: f for f in compared(full, full).findings}
    assert found.keys() == {"m.score", "m.loss"}
    assert (found["m.loss"].verdict, found["m.loss"].gated) == (None, False)
    assert found["m.loss"].estimate


def test_a_gated_score_that_is_gone_is_incomparable_and_a_new_one_is_no_finding() -> None:
    both = side(score(repeats(BASE)), score(repeats(BASE), metric="kid"))
    gates = (gate(0.02), gate(0.1, metric="kid"))
    gone = compare(seeded(BASE), both, gates)
    assert [(f.metric, f.verdict) for f in gone.findings] == [("m", "unchanged"), ("kid", "incomparable")]
    assert ([p.metric for p in gone.missing], gone.exit()) == (["kid"], Exit.INCOMPARABLE)
    new = compare(both, seeded(BASE), gates)
    assert [(f.metric, f.verdict) for f in new.findings] == [("m", "unchanged")]
    assert ([p.metric for p in new.new], new.exit()) == (["kid"], Exit.OK)
    absent = compare(seeded(BASE), seeded(BASE), (gate(0.1, metric="never"),))
    assert [f.verdict for f in absent.findings if f.gated] == [Verdict.INCOMPARABLE]


def test_what_was_deselected_has_no_verdict() -> None:
    points = [score(repeats(BASE), {"m.k": k}) for k in (0, 1)]
    gates = (gate(0.02, at={"m.k": 0}), gate(0.02, at={"m.k": 1}))
    comparison = compare(side(points[0], only={"m.k": [0]}), side(*points), gates)
    assert [f.at for f in comparison.findings if f.gated] == [{"m.k": 0}]
    assert ([p.point for p in comparison.not_run], comparison.exit()) == ([{"m.k": 1}], Exit.OK)


def test_a_field_that_one_side_lacks_is_incomparable_by_name() -> None:
    lacking = {"m": MetricInfo("m@1", {"other": {"better": "higher"}}, ("train.seed",))}
    old = side(score(repeats(BASE, field="other")), metrics=lacking)
    assert [f.reason for f in compared(seeded(BASE), old).findings if f.gated] == [
        "the baseline has no m.score"
    ]
    assert [f.reason for f in compare(old, seeded(BASE), (gate(0.1),)).findings if f.gated] == [
        "the run has no m.score"
    ]


def test_a_score_with_failed_repeats_is_left_out_and_the_others_are_judged() -> None:
    whole, torn = score(repeats(BASE), {"m.k": 0}), score(repeats([*BASE[:4], None]), {"m.k": 1})
    base = side(score(repeats(BASE), {"m.k": 0}), score(repeats(BASE), {"m.k": 1}))
    found = only(compared(side(whole, torn), base))
    assert (found.verdict, found.points) == (Verdict.UNCHANGED, 1)
    nothing = only(compared(side(torn), base))
    assert (nothing.verdict, nothing.reason) == (
        Verdict.INCOMPARABLE,
        "no score without failed repeats on both sides",
    )


def test_a_verdict_from_the_cache_alone_says_so() -> None:
    cached = score(tuple(replace(r, executed=False) for r in repeats(BASE)))
    assert not only(compared(side(cached), seeded(BASE))).executed
    assert only(compared(seeded(BASE), side(cached))).executed


def sweep(changes: dict[str, float], **given: object) -> Side:
    return side(
        *[
            score(repeats([v + d for v in BASE]), {"m.kind": k}, protocol={"m.kind": k, "m.use": "m@1"})
            for k, d in changes.items()
        ],
        reference={"m.kind": "pndm"},
        **given,  # type: ignore[arg-type]
    )


def test_within_a_run_the_other_points_are_compared_with_the_reference() -> None:
    swept = sweep({"pndm": 0.0, "ddim": -0.1, "euler": 0.001})
    found = {f.at["m.kind"]: f for f in within(swept, {"m.kind": "pndm"}, swept.run.gates)}
    assert {k: f.verdict for k, f in found.items()} == {"ddim": Verdict.REGRESSED, "euler": Verdict.UNCHANGED}
    assert not any(f.gated for f in found.values()), "no gate is declared against the reference"
    assert found["ddim"].against == {"m.kind": "pndm"}
    assert {f.verdict for f in within(swept, {"m.kind": "ddim"})} == {None}, "no gate, so no margin"


def test_within_a_run_other_axes_stay_where_they_are_and_other_fields_still_count() -> None:
    scores = [
        score(
            repeats([0.5 + k + n for _ in BASE]),
            {"m.kind": k, "m.n": n},
            protocol={"m.kind": k, "m.size": k * n},
        )
        for k in (0, 1)
        for n in (0, 1)
    ]
    found = within(side(*scores), {"m.kind": 0})
    assert [f.at for f in found] == [{"m.kind": 1, "m.n": 0}, {"m.kind": 1, "m.n": 1}]
    assert [f.verdict for f in found] == [None, Verdict.INCOMPARABLE]
    assert [d.field for d in found[1].differences] == ["m.size"]


@pytest.mark.parametrize(("at", "gated"), [({}, {"ddim", "euler"}), ({"m.kind": "ddim"}, {"ddim"})])
def test_a_gate_against_the_reference_counts_where_it_names_the_point_or_none(
    at: dict[str, str], gated: set[str]
) -> None:
    swept = sweep(
        {"pndm": 0.0, "ddim": -0.1, "euler": 0.001}, gates=(gate(0.02, at=at, against_reference=True),)
    )
    comparison = compared(swept, swept)
    assert {f.at["m.kind"] for f in comparison.findings if f.gated} == gated
    assert comparison.exit() is Exit.REGRESSED
    assert not any(f.gated for f in within(swept, {"m.kind": "euler"}, swept.run.gates))


def test_a_gate_against_a_reference_point_that_never_ran_is_incomparable() -> None:
    swept = sweep({"ddim": 0.0}, gates=(gate(0.02, against_reference=True),))
    found = [f for f in compared(swept, swept).findings if f.gated]
    assert [f.verdict for f in found] == [Verdict.INCOMPARABLE]


def many(changes: list[list[float]]) -> tuple[Side, Side]:
    names = [f"m{i}" for i in range(len(changes))]
    ours = side(*[score(repeats(shifted(c)), metric=n) for n, c in zip(names, changes, strict=True)])
    return ours, side(*[score(repeats(BASE), metric=n) for n in names])


def test_a_claim_that_is_not_sure_enough_among_many_gates_is_inconclusive() -> None:
    barely = [-0.05, -0.02, -0.09, -0.01, -0.03]
    alone = compare(*many([barely]), (gate(0.02, metric="m0"),))
    assert only(alone).verdict is Verdict.REGRESSED
    crowd = compare(*many([barely] * 8), [gate(0.02, metric=f"m{i}") for i in range(8)])
    assert {f.verdict for f in crowd.findings} == {Verdict.INCONCLUSIVE}
    assert "among 8 gated comparisons" in crowd.findings[0].reason
    assert crowd.findings[0].p == only(alone).p
    assert crowd.findings[0].more_repeats
    assert crowd.exit(strict=True) is Exit.INCONCLUSIVE


changes = st.lists(st.integers(-80, 80).map(lambda n: n / 1000), min_size=5, max_size=5)
MIRROR = {Verdict.IMPROVED: Verdict.REGRESSED, Verdict.REGRESSED: Verdict.IMPROVED}


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


def test_comparing_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import sys, harness.compare.verdict, harness.compare.calibrate, harness.compare.baseline\n"
    code += "print(*sorted({'torch', 'pandas', 'scipy', 'numpy', 'pyarrow'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
