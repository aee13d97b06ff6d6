from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.stats import Estimate, clustered, paired
from harness.leaderboard import Ranks
from harness.leaderboard.ranks import by_differences, by_intervals

P_VALUES = st.integers(2, 6).flatmap(
    lambda n: st.lists(st.lists(st.floats(0, 1), min_size=n, max_size=n), min_size=n, max_size=n)
)


def test_rows_that_differ_surely_have_one_rank_each() -> None:
    assert by_differences(3, lambda i, j: 0.0 if i < j else 1.0) == [(1, 1), (2, 2), (3, 3)]


def test_rows_that_cannot_be_told_apart_share_all_ranks() -> None:
    assert by_differences(3, lambda i, j: 0.5) == [(1, 3)] * 3


def test_a_tie_that_is_not_transitive_contradicts_nobody() -> None:
    """The first is surely better than the last, and neither can be told from the one between them."""
    assert by_differences(3, lambda i, j: 0.0 if (i, j) == (0, 2) else 1.0) == [(1, 2), (1, 3), (2, 3)]


def test_more_rows_ask_for_more_certainty() -> None:
    """Twelve claims share the five per cent that two have to themselves."""
    sure_in_two = 0.02
    assert by_differences(2, lambda i, j: sure_in_two if i < j else 1.0) == [(1, 1), (2, 2)]
    assert by_differences(4, lambda i, j: sure_in_two if i < j else 1.0) == [(1, 4)] * 4


@given(P_VALUES)
def test_ranks_always_leave_room_for_an_order(p_values: list[list[float]]) -> None:
    n = len(p_values)
    found = by_differences(n, lambda i, j: max(p_values[i][j], 0.5) if i > j else p_values[i][j])
    assert len(found) == n
    assert all(1 <= r.best <= r.worst <= n for r in found)
    # Rows in order of their indices are one order that no claim contradicts.
    assert all(r.best <= i + 1 <= r.worst for i, r in enumerate(found))


def test_intervals_that_are_apart_rank_and_those_that_overlap_do_not() -> None:
    rows = [Estimate(m, 0.1, 20.0, 21) for m in (1.0, 5.0, 5.2)]
    assert by_intervals(rows, lower=True) == [(1, 1), (2, 3), (2, 3)]
    assert by_intervals(rows, lower=False) == [(3, 3), (1, 2), (1, 2)]


def test_a_row_without_an_estimate_may_have_any_rank_and_takes_none_away() -> None:
    rows = [Estimate(1.0, 0.0, 1.0, 1), None, Estimate(2.0, 0.0, 1.0, 1)]
    assert by_intervals(rows, lower=True) == [Ranks(1, 2), Ranks(1, 3), Ranks(2, 3)]


def ranked(rows: list[list[float]], method: str) -> list[Ranks]:
    if method == "differences":
        return by_differences(len(rows), lambda i, j: paired(rows[j], rows[i]).p_at_least(0.0))
    return by_intervals([clustered(values) for values in rows], lower=True)


@pytest.mark.parametrize("method", ["differences", "intervals"])
def test_the_true_ranks_are_among_them_in_nineteen_of_twenty_boards(method: str) -> None:
    """Five rows, two of them equal, five shared seeds: the promise that stands above every table."""
    means, random_ = [0.0, 0.3, 0.3, 0.8, 3.0], random.Random(7)
    true = [(1, 1), (2, 3), (2, 3), (4, 4), (5, 5)]
    held = sharp = 0
    for _ in range(300):
        shared = [random_.gauss(0, 1) for _ in range(5)]
        rows = [[m + s + random_.gauss(0, 0.2) for s in shared] for m in means]
        found = ranked(rows, method)
        # A true tie is covered where either of its ranks is.
        held += all(r.best <= high and low <= r.worst for r, (low, high) in zip(found, true, strict=True))
        sharp += found[4] == (5, 5)
    assert held / 300 >= 0.95
    assert (sharp / 300 > 0.5) is (method == "differences")  # what sharing seeds is good for
