from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from compare.runs import (
    BASE,
    FIELDS,
    compared,
    gate,
    itemised,
    only,
    repeats,
    score,
    seeded,
    side,
    single,
)

from harness.compare import stats
from harness.compare.comparison import Verdict
from harness.compare.sample import Side
from harness.errors import Exit
from harness.record import MetricInfo, Repeat


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


def test_a_seed_that_not_every_point_has_does_not_count() -> None:
    points = score(repeats(BASE), {"m.k": 0}), score(repeats([*BASE, 9.0]), {"m.k": 1})
    estimate = only(compared(side(*points), side(*points))).estimate
    assert estimate
    assert (estimate.repeats, estimate.baseline) == (5, pytest.approx(0.81))


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
