from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from toy_evidence import TEXT
from toy_suites import write_suite

from harness.suite import Axis, Suite, continued, load


def swept(tmp_path: Path, *lists: tuple[int, ...]) -> Suite:
    suite = load(write_suite(tmp_path, TEXT))
    return replace(suite, seeds=tuple(Axis(f"model.seed{i}", values) for i, values in enumerate(lists)))


def values(suite: Suite) -> list[tuple[int, ...]]:
    return [axis.values for axis in suite.seeds]


def test_each_list_goes_on_with_the_smallest_numbers_that_it_lacks(tmp_path: Path) -> None:
    suite = swept(tmp_path, (0, 1, 2), (7, 1, 1))
    assert values(continued(suite, 6)) == [(0, 1, 2, 3, 4, 5), (7, 1, 1, 0, 2, 3)]
    assert values(continued(suite, 3)) == values(suite)
    assert values(continued(suite, 2)) == [(0, 1), (7, 1)]


SEEDS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=6)


@given(SEEDS, st.integers(0, 8), st.integers(0, 8))
def test_a_list_that_is_continued_in_two_steps_is_the_list_continued_in_one(
    own: list[int], some: int, more: int
) -> None:
    suite = Suite("s", "", Path(), Path(), (), {}, (), (), (), (Axis("m.seed", tuple(own)),), {}, ())
    n = len(own)
    (once,) = values(continued(suite, n + some + more))
    assert values(continued(continued(suite, n + some), n + some + more)) == [once]
    assert once[:n] == tuple(own)
    new = once[n:]
    assert len(set(new)) == len(new) == some + more
    assert not set(new) & set(own)
