"""Seeds made of several numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.compute.seeds import mixed


@given(st.tuples(st.integers(), st.integers()), st.tuples(st.integers(), st.integers()))
def test_different_numbers_give_different_seeds(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (mixed(*one) == mixed(*other)) == (one == other)
    assert 0 <= mixed(*one) < 2**63
