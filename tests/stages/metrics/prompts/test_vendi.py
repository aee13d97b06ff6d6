"""The Vendi score: closed forms, and what it must not depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stages.metrics.prompts.vendi import vendi

pytestmark = pytest.mark.numeric


def test_n_different_things_are_n_and_copies_are_one():
    assert vendi(np.eye(5, dtype=np.float32)) == pytest.approx(5)
    assert vendi(np.ones((5, 1), np.float32)) == pytest.approx(1)


@given(st.floats(-1, 1))
def test_two_things_at_an_angle(cosine):
    """The eigenvalues of two rows with cosine c are (1 ± c) / 2."""
    two = np.array([[1, 0], [cosine, np.sqrt(1 - cosine**2)]], np.float32)
    shares = [s for s in ((1 + cosine) / 2, (1 - cosine) / 2) if s > 0]
    assert vendi(two) == pytest.approx(np.exp(-sum(s * np.log(s) for s in shares)), abs=1e-5)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_groups_of_copies_are_exp_of_the_entropy_of_their_sizes(sizes):
    rows = np.repeat(np.eye(len(sizes), dtype=np.float32), sizes, axis=0)
    shares = np.array(sizes) / sum(sizes)
    assert vendi(rows) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


@given(st.integers(0, 2**32 - 1))
def test_neither_order_nor_a_rotation_matters(seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(6, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    assert vendi((rng.permutation(rows) @ turn).astype(np.float32)) == pytest.approx(
        vendi(rows.astype(np.float32)), abs=1e-4
    )


def test_what_is_not_known_is_like_nothing_else():
    assert vendi(np.zeros((3, 2), np.float32)) == pytest.approx(3)
