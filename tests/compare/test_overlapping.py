"""One estimator for items that both sides share wholly, partly or not at all, of means and of other statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import stats

numbers = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 6))
columns = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=12)


def of_means(
    before: Mapping[str, float], after: Mapping[str, float], clusters: Mapping[str, Hashable] | None = None
) -> stats.Estimate:
    change = float(np.mean(list(after.values())) - np.mean(list(before.values())))
    return stats.overlapping(change, stats.contributions(before), stats.contributions(after), clusters)


def near(a: stats.Estimate, b: stats.Estimate, scale: float = 1e6) -> None:
    assert a.mean == pytest.approx(b.mean, rel=1e-9, abs=1e-9 * scale)
    assert a.se == pytest.approx(b.se, rel=1e-6, abs=1e-9 * scale)
    assert a.n == b.n
    if a.se > 1e-9 * scale:
        assert a.df == pytest.approx(b.df, rel=1e-6)


@given(columns)
def test_shared_items_are_the_paired_t(pairs: list[tuple[float, float]]) -> None:
    before, after = ({f"i{n}": pair[k] for n, pair in enumerate(pairs)} for k in (0, 1))
    near(of_means(before, after), stats.paired(list(before.values()), list(after.values())))


@given(columns, st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_shared_clusters_are_the_clustered_t(pairs: list[tuple[float, float]], groups: list[int]) -> None:
    before, after = ({f"i{n}": pair[k] for n, pair in enumerate(pairs)} for k in (0, 1))
    clusters = {name: groups[n] for n, name in enumerate(before)}
    if len(set(clusters.values())) > 1:
        changes = [after[n] - before[n] for n in before]
        near(of_means(before, after, clusters), stats.clustered(changes, list(clusters.values())))


@given(columns, columns)
def test_disjoint_items_are_welchs_t(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> None:
    before, after = {f"a{n}": x for n, (x, _) in enumerate(a)}, {f"b{n}": y for n, (_, y) in enumerate(b)}
    near(of_means(before, after), stats.welch(list(before.values()), list(after.values())))


@given(columns)
def test_one_sample_is_the_ordinary_t(pairs: list[tuple[float, float]]) -> None:
    values = {f"i{n}": x for n, (x, _) in enumerate(pairs)}
    mean = stats.clustered(list(values.values()))
    near(stats.overlapping(mean.mean, {}, stats.contributions(values)), mean)


def test_partly_shared_items_match_a_hand_worked_example() -> None:
    # Contributions: before a -1, b 0, c 1 (over 3: ±1/3); after b -2, c 0, d 2 (over 3).
    e = of_means({"a": 1.0, "b": 2.0, "c": 3.0}, {"b": 1.0, "c": 3.0, "d": 5.0})
    shared = 2 / 1 * ((-2 / 3 - 0) ** 2 + (0 - 1 / 3) ** 2)  # G = 2
    parts = [(shared, 1.0), ((1 / 3) ** 2, 1.0), ((2 / 3) ** 2, 1.0)]  # of a lone cluster no correction
    variance = sum(v for v, _ in parts)
    assert e.se == pytest.approx(math.sqrt(variance))
    assert e.df == pytest.approx(variance**2 / sum(v**2 / df for v, df in parts))
    assert (e.mean, e.n) == (1.0, 3)


def test_an_item_that_is_alone_does_not_move_its_mean() -> None:
    assert stats.contributions({"a": 3.0}) == {"a": 0.0}


def test_a_cluster_with_items_of_both_sides_is_shared_whatever_their_names() -> None:
    before, after = {"a1": 1.0, "b1": 2.0, "c1": 4.0}, {"a2": 3.0, "b2": 3.5, "c2": 7.0}
    clusters = {name: name[0] for name in (*before, *after)}
    near(of_means(before, after, clusters), stats.paired(list(before.values()), list(after.values())))


def test_items_without_a_cluster_are_one_of_their_own_even_under_the_name_of_another() -> None:
    before, after = {"a": 1.0, "b": 2.0, "c": 4.0, "d": 3.0}, {"a": 2.0, "b": 2.5, "c": 4.0, "d": 5.0}
    every = {"a": "first", "b": "first", "c": "second", "d": "third"}
    assert of_means(before, after, {"a": "d", "b": "d"}) == of_means(before, after, every)
    assert of_means(before, after, {}) == of_means(before, after)


def test_too_few_items_and_numbers_that_are_none_are_refused() -> None:
    assert stats.overlapping(0.5, {"a": 0.0}, {"b": 0.0}) == stats.Estimate(0.5, 0.0, 2.0, 1)
    with pytest.raises(ValueError, match="at least two items"):
        stats.overlapping(0.0, {"a": 0.0}, {})
    for wrong in ((math.nan, {}, {}), (0.0, {"a": math.inf}, {}), (0.0, {}, {"a": math.nan})):
        with pytest.raises(ValueError, match="must be finite"):
            stats.overlapping(wrong[0], {"x": 0.0, "y": 0.0, **wrong[1]}, wrong[2])


Draw = Callable[[np.random.Generator], tuple[float, stats.Estimate]]
"""The true change, and an estimate of it."""


def _means(shared: int, apart: int, per_cluster: int = 1) -> Draw:
    """Items of which ``shared`` are on both sides, in clusters that have a luck of their own."""

    def draw(rng: np.random.Generator) -> tuple[float, stats.Estimate]:
        total = shared + 2 * apart
        cluster = np.arange(total) // per_cluster
        level = rng.normal(0, 1, total) + (rng.normal(0, 1, total)[cluster] if per_cluster > 1 else 0)
        here = {f"i{n}": float(level[n] + rng.normal(0, 0.7)) for n in range(shared + apart)}
        theirs = [*range(shared), *range(shared + apart, total)]
        there = {f"i{n}": float(level[n] + 0.3 + rng.normal(0, 0.7)) for n in theirs}
        named = {f"i{n}": int(cluster[n]) for n in range(total)}
        return 0.3, of_means(here, there, named if per_cluster > 1 else None)

    return draw


def _squared_distance(rng: np.random.Generator) -> tuple[float, stats.Estimate]:
    """(mean of the real - mean of the generated)^2: the real shared, the generated not; each side of its own size."""
    real = rng.normal(0, 1, 70)

    def side(shift: float, name: str) -> tuple[float, dict[str, float]]:
        made = rng.normal(shift, 1, 50)
        gap = made.mean() - real.mean()
        moves = {f"real/{n}": float(-2 * gap * (x - real.mean()) / 70) for n, x in enumerate(real)}
        moves |= {f"{name}/{n}": float(2 * gap * (x - made.mean()) / 50) for n, x in enumerate(made)}
        return float(gap**2), moves

    (before, theirs), (after, ours) = side(1.0, "a"), side(1.3, "b")
    return 1.3**2 - 1.0**2, stats.overlapping(after - before, theirs, ours)


@pytest.mark.parametrize(
    "draw",
    [_means(40, 0), _means(0, 40), _means(20, 20), _means(72, 0, 4), _means(48, 40, 4), _squared_distance],
    ids=["shared", "disjoint", "half shared", "clusters", "clusters, half shared", "two samples"],
)
def test_the_interval_covers_the_truth_nine_times_in_ten(draw: Draw) -> None:
    rng, tries = np.random.default_rng(7), 700
    covered = 0
    for _ in range(tries):
        truth, estimate = draw(rng)
        low, high = estimate.interval()
        covered += low <= truth <= high
    assert covered / tries == pytest.approx(0.9, abs=3 * math.sqrt(0.09 / tries))
