from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq

from harness import stage
from harness.compare import stats

numbers = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 6))
samples = st.lists(numbers, min_size=2, max_size=12)
pairs = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=12)
BAD = [math.nan, math.inf, -math.inf]


def same(a: stats.Estimate, b: stats.Estimate, scale: float) -> None:
    assert a.mean == pytest.approx(b.mean, rel=1e-9, abs=1e-9 * scale)
    assert a.se == pytest.approx(b.se, rel=1e-6, abs=1e-9 * scale)
    assert a.n == b.n


def test_what_a_metric_may_return_can_be_judged() -> None:
    assert stage.LARGEST <= stats.LARGEST


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, *BAD])
def test_probabilities_out_of_range_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match="confidence must lie strictly between"):
        stats.paired([1, 2], [2, 4]).interval(p)
    with pytest.raises(ValueError, match="alpha must lie strictly between"):
        stats.holm([0.5], p)


EXAMPLE = stats.Estimate(1.0, 0.5, 4.0, 5)
BEFORE, AFTER = [0.81, 0.79, 0.83, 0.80, 0.78], [0.84, 0.80, 0.83, 0.85, 0.82]


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_paired_is_scipys_related_t(confidence: float) -> None:
    e, expected = stats.paired(BEFORE, AFTER), scipy.stats.ttest_rel(AFTER, BEFORE)
    assert (e.df, e.n) == (expected.df, 5)
    assert e.interval(confidence) == pytest.approx(tuple(expected.confidence_interval(confidence)), rel=1e-9)
    assert e.p_at_most() == pytest.approx(scipy.stats.ttest_rel(AFTER, BEFORE, alternative="greater").pvalue)
    assert e.p_at_least() == pytest.approx(scipy.stats.ttest_rel(AFTER, BEFORE, alternative="less").pvalue)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_welch_is_scipys_unequal_variance_t(confidence: float) -> None:
    after = [*AFTER, 0.9, 0.75]
    e, expected = stats.welch(BEFORE, after), scipy.stats.ttest_ind(after, BEFORE, equal_var=False)
    assert e.df == pytest.approx(expected.df, rel=1e-10)
    assert e.n == 5
    assert e.interval(confidence) == pytest.approx(tuple(expected.confidence_interval(confidence)), rel=1e-9)
    greater = scipy.stats.ttest_ind(after, BEFORE, equal_var=False, alternative="greater").pvalue
    assert e.p_at_most() == pytest.approx(greater, rel=1e-9)


def test_p_values_test_a_shifted_mean() -> None:
    e = stats.paired([0.0] * 5, AFTER)
    for delta in (0.7, 0.82, 0.9):
        assert e.p_at_most(delta) == pytest.approx(
            scipy.stats.ttest_1samp(AFTER, delta, alternative="greater").pvalue, rel=1e-9
        )
        assert e.p_at_most(delta) + e.p_at_least(delta) == pytest.approx(1.0, rel=1e-12)


@given(pairs, numbers)
def test_the_interval_excludes_a_value_exactly_where_its_test_rejects(
    values: list[tuple[float, float]], delta: float
) -> None:
    e = stats.paired(*zip(*values, strict=True))
    low, high = e.interval()
    size = 1 + abs(delta) + abs(e.mean) + e.se
    assume(min(abs(low - delta), abs(high - delta)) > 1e-6 * size)
    assert (low > delta) == (e.p_at_most(delta) < 0.05)
    assert (high < delta) == (e.p_at_least(delta) < 0.05)


@given(pairs)
def test_swapping_the_sides_flips_the_sign_and_nothing_else(values: list[tuple[float, float]]) -> None:
    before, after = zip(*values, strict=True)
    for estimate in (stats.paired, stats.welch):
        there, back = estimate(before, after), estimate(after, before)
        assert there.mean == -back.mean
        assert there.se == back.se
        assert there.df == pytest.approx(back.df, rel=1e-12)
        assert there.interval() == pytest.approx(tuple(-x for x in reversed(back.interval())), rel=1e-9)
        assert there.p_at_most(0.5) == pytest.approx(back.p_at_least(-0.5), rel=1e-9)


@given(pairs, numbers)
def test_a_shift_of_both_sides_changes_nothing(values: list[tuple[float, float]], shift: float) -> None:
    before, after = zip(*values, strict=True)
    moved = [b + shift for b in before], [a + shift for a in after]
    same(stats.paired(before, after), stats.paired(*moved), scale=1e6)
    same(stats.welch(before, after), stats.welch(*moved), scale=1e6)


@given(pairs, st.sampled_from([2.0**-40, 0.5, 8.0, 2.0**40]))
def test_a_change_of_unit_changes_mean_and_error_by_its_factor(
    values: list[tuple[float, float]], unit: float
) -> None:
    before, after = zip(*values, strict=True)
    scaled = [unit * b for b in before], [unit * a for a in after]
    for estimate in (stats.paired, stats.welch):
        e, s = estimate(before, after), estimate(*scaled)
        assert s.mean == pytest.approx(unit * e.mean, rel=1e-12)
        assert s.se == pytest.approx(unit * e.se, rel=1e-12)
        assert s.df == pytest.approx(e.df, rel=1e-9)


@given(st.data(), pairs, st.integers(2, 5))
def test_the_order_of_repeats_does_not_matter(
    data: st.DataObject, values: list[tuple[float, float]], clusters: int
) -> None:
    rows = [(b, a, i % clusters) for i, (b, a) in enumerate(values)]
    mixed = data.draw(st.permutations(rows))
    (b1, a1, c1), (b2, a2, c2) = zip(*rows, strict=True), zip(*mixed, strict=True)
    same(stats.paired(b1, a1), stats.paired(b2, a2), scale=1e6)
    same(stats.welch(b1, a1), stats.welch(b2, a2), scale=1e6)
    same(stats.clustered(a1, c1), stats.clustered(a2, c2), scale=1e6)


@given(samples)
def test_a_cluster_per_item_is_the_ordinary_t_to_the_last_bit(values: list[float]) -> None:
    ordinary = stats.paired([0.0] * len(values), values)
    assert stats.clustered(values) == ordinary
    assert stats.clustered(values, [f"item {i}" for i in range(len(values))]) == ordinary
    assert ordinary.se == pytest.approx(scipy.stats.sem(values), rel=1e-9, abs=1e-9)


@given(st.lists(samples, min_size=2, max_size=6), st.integers(2, 4))
def test_equally_large_clusters_are_the_t_of_their_means(groups: list[list[float]], size: int) -> None:
    equal = [(g * size)[:size] for g in groups]
    e = stats.clustered([x for g in equal for x in g], [i for i, g in enumerate(equal) for _ in g])
    same(e, stats.clustered([sum(g) / size for g in equal]), scale=1e6)
    assert e.df == len(groups) - 1


def test_clusters_of_unequal_size_match_a_hand_worked_example() -> None:
    # Mean 3; sums of residuals: a -2 - 1 = -3, b 0, c 3; n = 4 items, G = 3 clusters.
    e = stats.clustered([1.0, 2.0, 3.0, 6.0], ["a", "a", "b", "c"])
    assert e.mean == 3.0
    assert e.se == pytest.approx(math.sqrt(3 / 2 * (9 + 0 + 9) / 16), rel=1e-14)
    assert (e.df, e.n) == (2.0, 3)


def test_welch_takes_the_clusters_of_each_side() -> None:
    before, after = [1.0, 1.0, 4.0, 4.0, 5.0, 5.0], [2.0, 2.0, 7.0, 7.0]
    e = stats.apart(stats.clustered(before, [0, 0, 1, 1, 2, 2]), stats.clustered(after, [0, 0, 1, 1]))
    same(e, stats.welch([1.0, 4.0, 5.0], [2.0, 7.0]), scale=1.0)
    assert e.df == pytest.approx(stats.welch([1.0, 4.0, 5.0], [2.0, 7.0]).df, rel=1e-12)
    assert e.se > stats.welch(before, after).se


@pytest.mark.parametrize("step", [0.1, -0.1, 0.0])
def test_no_spread_is_an_exact_answer(step: float) -> None:
    for e in (stats.clustered([step] * 3), stats.welch([0.0] * 7, [step] * 3)):
        assert (e.mean, e.se, e.interval()) == (step, 0.0, (step, step))
        assert e.p_at_most(step) == e.p_at_least(step) == 1.0
        assert (e.p_at_most(step - 1e-9), e.p_at_least(step - 1e-9)) == (0.0, 1.0)
        assert (e.p_at_most(step + 1e-9), e.p_at_least(step + 1e-9)) == (1.0, 0.0)
        assert e.detectable() == 0.0


def test_one_side_without_spread_leaves_the_degrees_of_freedom_of_the_other() -> None:
    e = stats.welch([0.5, 0.5, 0.5], AFTER)
    assert e.df == pytest.approx(4.0)
    assert e.se == pytest.approx(scipy.stats.sem(AFTER))


def test_degrees_of_freedom_lie_between_one_and_those_of_both_sides_together() -> None:
    assert stats.welch([0.0] * 7, [1.0] * 3).df == 8.0
    assert stats.welch([0.0, 1.0, 2.0], [0.0, 1.0, 2.0]).df == pytest.approx(4.0)
    one = stats.Estimate(0.0, 1.0, 1.0, 2)
    for other in (0.0, 1e-9, 1e-3):
        assert stats.apart(one, replace(one, se=other)).df == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("bad", BAD)
def test_values_that_are_not_finite_are_refused_not_dropped(bad: float) -> None:
    for name, call in (
        ("candidate", lambda: stats.paired([1.0, 2.0], [bad, 2.0])),
        ("baseline", lambda: stats.paired([bad, bad], [bad, bad])),
        ("values", lambda: stats.welch([1.0, bad], [1.0, 2.0])),
        ("values", lambda: stats.clustered([1.0, 2.0, bad], [0, 1, 1])),
        ("change", lambda: stats.overlapping(bad, {"a": 0.0}, {"b": 0.0})),
        ("baseline", lambda: stats.overlapping(0.0, {"a": bad}, {"b": 0.0})),
        ("candidate", lambda: stats.overlapping(0.0, {"a": 0.0}, {"b": bad})),
        ("values", lambda: stats.contributions({"a": 1.0, "b": bad})),
        ("step", lambda: stats.floored(EXAMPLE, bad)),
        ("size", lambda: stats.without_rounding(EXAMPLE, bad, 1)),
        ("relative margin", lambda: stats.margin_of(bad, 1.0, 0.0)),
        ("baseline mean", lambda: stats.margin_of(0.1, bad, 0.0)),
        ("floor", lambda: stats.margin_of(0.1, 1.0, bad)),
        ("sd", lambda: stats.detectable(bad, 5)),
        ("margin", lambda: stats.repeats_needed(1.0, bad)),
        ("sd", lambda: stats.repeats_needed(bad, 1.0)),
        ("delta", lambda: stats.paired([1.0, 2.0], [2.0, 2.0]).p_at_most(bad)),
        ("delta", lambda: stats.paired([1.0, 2.0], [2.0, 4.0]).p_at_least(bad)),
    ):
        with pytest.raises(ValueError, match=f"^{name} must be finite"):
            call()
    with pytest.raises(ValueError, match="p-value must lie between"):
        stats.holm([0.1, bad])


def test_too_few_repeats_and_unequal_lengths_are_refused() -> None:
    for values in ([], [1.0]):
        for estimate in (stats.paired, stats.welch):
            with pytest.raises(ValueError, match="at least two values"):
                estimate(values, values)
    with pytest.raises(ValueError, match="at least two values"):
        stats.welch([1.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="at least two clusters, not 1"):
        stats.clustered([1.0, 2.0, 3.0], ["a", "a", "a"])
    with pytest.raises(ValueError, match="2 values against 3"):
        stats.paired([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="3 values, 2 clusters"):
        stats.clustered([1.0, 2.0, 3.0], ["a", "b"])


def test_what_may_be_asked_ends_where_it_is_said_to() -> None:
    largest = stats.LARGEST
    assert stats.paired([0.0, 0.0], [largest, largest]).mean == largest
    assert stats.repeats_needed(1.0, largest) == 2
    assert stats.margin_of(0.0, 1.0, 0.0) == stats.margin_of(0.0, 1.0, largest) == 0.0
    assert stats.floored(EXAMPLE, 0.0) == stats.without_rounding(EXAMPLE, 0.0, 1) == EXAMPLE
    assert stats.repeats_needed(1.0, 100.0, most=2) == 2
    assert stats.repeats_needed(1.0, stats.detectable(1.0, 10_000)) == 10_000
    assert stats.repeats_needed(1.0, stats.detectable(1.0, 10_001)) is None
    assert stats.detectable(1.0, 5, power=0.5) == pytest.approx(scipy.stats.t.ppf(0.95, 4) / math.sqrt(5))
    for words, call in (
        ("margin must be finite and positive", lambda: stats.repeats_needed(1.0, 0.0)),
        ("most must be at least 2", lambda: stats.repeats_needed(1.0, 1.0, most=1)),
        ("power must be at least 0.5 and below 1", lambda: stats.detectable(1.0, 5, power=0.49)),
        ("power must be at least 0.5 and below 1", lambda: EXAMPLE.detectable(power=1.0)),
        ("alpha must lie strictly between 0 and 1", lambda: stats.detectable(1.0, 5, alpha=1.0)),
        ("alpha must lie strictly between 0 and 1", lambda: stats.repeats_needed(1.0, 1.0, alpha=0.0)),
        ("sd must be finite and not negative", lambda: stats.detectable(-1.0, 5)),
        ("step must be finite and not negative", lambda: stats.floored(EXAMPLE, -1e-9)),
        ("n must be at least 2", lambda: stats.detectable(1.0, 1)),
        ("a p-value must lie between 0 and 1", lambda: stats.holm([-0.1])),
    ):
        with pytest.raises(ValueError, match=rf"^{words}; it is -?\d"):
            call()
    assert stats.holm([0.0, 1.0]) == [True, False]


def test_a_coarse_field_has_at_least_the_deviation_of_its_steps_and_rounding_none() -> None:
    assert stats.floored(EXAMPLE, 1.0) == stats.Estimate(1.0, 1.5 / math.sqrt(5), 4.0, 5)
    assert stats.floored(EXAMPLE, 0.1) == EXAMPLE
    eps = 2.0**-52
    assert stats.rounding(-3.0, 4) == 30 * eps
    for shift, kept in ((29.0, 0.0), (30.0, 0.0), (31.0, 31 * eps)):
        for sign in (-1.0, 1.0):
            tiny = stats.Estimate(sign * shift * eps, shift * eps, 4.0, 5)
            assert stats.without_rounding(tiny, 3.0, 4) == stats.Estimate(sign * kept, kept, 4.0, 5)


def test_the_level_and_the_power_are_those_asked_for() -> None:
    expected = (scipy.stats.t.ppf(0.99, 4) + scipy.stats.t.ppf(0.9, 4)) / math.sqrt(5)
    assert stats.detectable(2.0, 5, 0.01, 0.9) == pytest.approx(2 * expected)
    assert EXAMPLE.detectable(0.01, 0.9) == pytest.approx(0.5 * math.sqrt(5) * expected)
    needed = stats.repeats_needed(2.0, 2 * expected, 0.01, 0.9)
    assert needed == 5
    assert stats.repeats_needed(2.0, 1.99 * expected, 0.01, 0.9) == 6


def test_extreme_but_finite_values_neither_overflow_nor_vanish() -> None:
    assert stats.paired([0.0, 0.0], [1e299, 3e299]).se == pytest.approx(1e299)
    assert stats.paired([0.0, 0.0], [1e-299, 3e-299]).se == pytest.approx(1e-299)
    assert stats.Estimate(1.0, 1e-308, 4.0, 5).p_at_most() == 0.0


def covers(estimates: list[stats.Estimate], truth: float) -> float:
    inside = [low <= truth <= high for low, high in (e.interval() for e in estimates)]
    return sum(inside) / len(inside)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_90_percent_interval_covers_90_percent(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    level = rng.normal(size=(4000, seeds))  # what a seed does to both sides, gone from the difference
    before, after = level + rng.normal(size=level.shape), level + 0.3 + rng.normal(size=level.shape)
    found = covers([stats.paired(b, a) for b, a in zip(before, after, strict=True)], 0.3)
    assert found == pytest.approx(0.90, abs=0.015)  # three standard errors of 4,000 trials


@pytest.mark.parametrize(("seeds", "least", "most"), [(3, 0.89, 0.96), (5, 0.885, 0.93), (10, 0.885, 0.92)])
def test_welch_covers_at_least_90_percent_where_variances_differ(
    seeds: int, least: float, most: float
) -> None:
    rng = np.random.default_rng(seeds)
    trials = [
        stats.welch(rng.normal(0.0, 1.0, seeds).tolist(), rng.normal(0.3, 2.0, seeds + 2).tolist())
        for _ in range(2000)
    ]
    assert least <= covers(trials, 0.3) <= most


@pytest.mark.parametrize(
    ("sizes", "tolerance"),
    [([10] * 12, 0.02), ([2, 5, 10, 15] * 6, 0.04)],
    ids=["12 equal clusters", "24 unequal clusters"],
)
def test_clustered_items_are_covered_where_the_naive_interval_fails(
    sizes: list[int], tolerance: float
) -> None:
    rng = np.random.default_rng(len(sizes))
    clusters = [i for i, size in enumerate(sizes) for _ in range(size)]
    robust, naive = [], []
    for _ in range(2000):  # intra-cluster correlation 0.5
        values = (rng.normal(size=len(sizes))[clusters] + rng.normal(size=len(clusters))).tolist()
        robust.append(stats.clustered(values, clusters))
        naive.append(stats.clustered(values))
    assert covers(robust, 0.0) == pytest.approx(0.90, abs=tolerance)
    assert covers(naive, 0.0) < 0.60


def test_holm_matches_a_hand_worked_example() -> None:
    # Sorted: 0.005 <= 0.05/4, 0.01 <= 0.05/3, 0.03 > 0.05/2 stops; 0.04 <= 0.05/1 comes too late.
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]
    assert stats.holm([0.05]) == [True]
    assert stats.holm([0.025, 0.05]) == [True, True]
    assert stats.holm([0.04, 0.04, 0.04]) == [False, False, False]
    assert stats.holm([]) == []
    with pytest.raises(ValueError, match="p-value must lie between"):
        stats.holm([1.5])


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=8), st.floats(0.01, 0.2))
def test_holm_lies_between_bonferroni_and_no_correction(ps: list[float], alpha: float) -> None:
    survives = stats.holm(ps, alpha)
    assert len(survives) == len(ps)
    for p, kept in zip(ps, survives, strict=True):
        assert kept or p > alpha / len(ps)
        assert p <= alpha or not kept


def test_holm_keeps_the_family_wise_error_where_single_tests_do_not() -> None:
    rng = np.random.default_rng(7)
    trials = [[stats.clustered(row).p_at_most() for row in rng.normal(size=(6, 5))] for _ in range(2000)]
    corrected = sum(any(stats.holm(ps)) for ps in trials) / len(trials)
    single = sum(min(ps) < 0.05 for ps in trials) / len(trials)
    assert 0.03 < corrected < 0.05 + 0.015
    assert single > 0.2


@pytest.mark.parametrize(("n", "tolerance"), [(2, 0.07), (3, 0.012), (5, 0.012), (10, 0.012), (100, 0.012)])
def test_the_detectable_effect_is_that_of_the_noncentral_t(n: int, tolerance: float) -> None:
    threshold = scipy.stats.t.ppf(0.95, n - 1)
    exact = brentq(lambda shift: scipy.stats.nct.sf(threshold, n - 1, shift) - 0.8, 0.1, 30) / math.sqrt(n)
    assert stats.detectable(1.0, n) == pytest.approx(exact, rel=tolerance)


def test_a_detectable_effect_is_shown_four_times_in_five() -> None:
    rng = np.random.default_rng(3)
    effect = stats.detectable(2.0, 5)
    shown = [stats.clustered(rng.normal(effect, 2.0, 5).tolist()).interval()[0] > 0 for _ in range(4000)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.02)


def test_an_estimate_knows_what_it_could_have_shown() -> None:
    e = stats.paired(BEFORE, AFTER)
    assert e.detectable() == pytest.approx(stats.detectable(e.sd, e.n), rel=1e-12)
    assert e.sd == pytest.approx(np.std(np.subtract(AFTER, BEFORE), ddof=1))


@given(st.floats(0.01, 10), st.floats(0.05, 10))
def test_the_repeats_needed_are_just_enough(sd: float, margin: float) -> None:
    n = stats.repeats_needed(sd, margin, most=5000)
    if n is None:
        assert stats.detectable(sd, 5000) > margin
    else:
        assert stats.detectable(sd, n) <= margin
        assert n == 2 or stats.detectable(sd, n - 1) > margin


def test_the_repeats_needed_are_few_capped_or_impossible() -> None:
    assert stats.repeats_needed(0.0, 0.1) == 2
    assert stats.repeats_needed(1.0, 1.0) == 8
    assert stats.repeats_needed(1.0, 0.001) is None
    assert stats.repeats_needed(1.0, 0.1) == stats.repeats_needed(1.0, 0.1, most=620) == 620
    assert stats.repeats_needed(1.0, 0.1, most=619) is None
    with pytest.raises(ValueError, match="margin must be finite and positive"):
        stats.repeats_needed(1.0, 0.0)
    with pytest.raises(ValueError, match="n must be at least 2"):
        stats.detectable(1.0, 1)
    with pytest.raises(ValueError, match="power must be at least"):
        stats.detectable(1.0, 5, power=1.0)


def test_a_relative_margin_is_of_the_baseline_or_its_floor() -> None:
    assert stats.margin_of(0.02, 250.0, 0.0) == 5.0
    assert stats.margin_of(0.02, -250.0, 0.0) == 5.0
    assert stats.margin_of(0.02, 0.001, 0.1) == pytest.approx(0.002)
    with pytest.raises(ValueError, match="relative margin must be finite and not negative"):
        stats.margin_of(-0.02, 1.0, 0.0)


@given(st.floats(0, 10), numbers, st.floats(0, 10))
def test_a_margin_is_never_below_that_of_the_floor(relative: float, baseline: float, floor: float) -> None:
    assert stats.margin_of(relative, baseline, floor) >= relative * floor


def test_a_weighted_mean_counts_equal_outputs_as_often_and_its_spread_by_the_effective_number() -> None:
    found = stats.weighted([1.0, 2.0, 4.0], [3, 1, 1])
    assert found.mean == pytest.approx(1.8)
    moves = [0.6 * (1 - 1.8), 0.2 * (2 - 1.8), 0.2 * (4 - 1.8)]
    assert found.se == pytest.approx(math.sqrt(sum(m * m for m in moves)) * math.sqrt(3 / 2))
    assert (found.df, found.n) == (pytest.approx(25 / 11 - 1), 3)
    assert stats.weighted([1.0, 2.0], [9, 1]).df == 1.0, "at least one degree of freedom"


@pytest.mark.parametrize("weight", [1, 2, 7])
def test_equal_weights_give_the_ordinary_t(weight: int) -> None:
    values = [0.5, 0.7, 0.65, 0.4]
    assert stats.weighted(values, [weight] * 4) == stats.clustered(values)


@pytest.mark.parametrize(
    ("values", "weights", "problem"),
    [
        ([1.0, 2.0, 3.0], [1, 2], "every value needs a weight of at least 1: 3 values"),
        ([1.0, 2.0], [1, 0], "every value needs a weight of at least 1"),
        ([], [], "every value needs a weight of at least 1: 0 values"),
        ([1.0, math.nan], [1, 2], "values must be finite"),
        ([1.0], [3], "at least two values, not 1"),
    ],
)
def test_bad_weights_are_refused(values: list[float], weights: list[int], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        stats.weighted(values, weights)
