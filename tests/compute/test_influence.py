"""Rows of what is no mean: their spread is that of the jackknife, and of the field's derivative."""

import numpy as np
import pytest
from corpora import corpus
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import stats
from harness.compute.influence import jackknife, named, ratio, rows
from harness.stages.metrics import repetition
from harness.stages.metrics.overlap import ngrams
from harness.stages.metrics.sinkhorn.transport import debiased

values = st.lists(st.floats(-100, 100), min_size=3, max_size=12)


@draws(50)
@given(first=values, second=values, value=st.floats(-10, 10))
def test_the_error_of_two_samples_is_the_root_of_their_summed_variances(first, second, value):
    column = rows(value, jackknife(first), jackknife(second))
    assert np.mean(column) == pytest.approx(value, abs=1e-9)
    expected = sum((len(w) - 1) * np.var(w) for w in (first, second)) ** 0.5
    assert stats.clustered(column).se == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_names_of_two_samples_do_not_collide():
    assert named({"real/": ["0.png"], "generated/": ["0.png"]}) == ["real/0.png", "generated/0.png"]


@draws(50)
@given(
    data=st.lists(st.tuples(st.integers(0, 3), st.floats(0, 50), st.integers(1, 40)), min_size=4, max_size=15)
)
def test_the_error_of_a_ratio_is_near_the_jackknife_s_over_clusters(data):
    of, y, x = (np.array(column) for column in zip(*data, strict=True))
    if len(set(of)) < 3:
        return
    mean, column = ratio(y.tolist(), x.tolist(), of.tolist())
    assert mean == pytest.approx(y.sum() / x.sum())
    assert np.mean(column) == pytest.approx(mean)
    left = np.array([y[of != c].sum() / x[of != c].sum() for c in set(of)])
    deviations = left - y.sum() / x.sum()  # from the whole, which cannot be less than from their own mean
    largest = ((len(left) - 1) / len(left) * (deviations**2).sum()) ** 0.5
    found = stats.clustered(column, of.tolist()).se
    assert found <= largest * 1.5 + 1e-9
    assert found >= 0.5 * ((len(left) - 1) * left.var()) ** 0.5 - 1e-9


def test_a_ratio_of_equal_sizes_is_a_mean():
    assert ratio([1.0, 0.0, 5.0], [2, 2, 2]) == (1.0, pytest.approx([0.5, 0.0, 2.5]))


def test_the_rows_of_a_sinkhorn_divergence_are_its_derivatives_by_the_weights():
    """One point more of many copies is a small change of its weight."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 2)), rng.normal(size=(5, 2)) + 0.7
    options = {"scale": 3.0, "epsilon": 0.2, "iterations": 10_000}
    found, copies = debiased(x, y, **options), 60
    many = np.repeat(x, copies, axis=0), np.repeat(y, copies, axis=0)
    for side, points in enumerate((x, y)):
        for i, influence in enumerate(found.influences[side]):
            heavier = list(many)
            heavier[side] = np.concatenate([many[side], points[i : i + 1]])
            moved = (debiased(*heavier, **options).value - found.value) * len(heavier[side])
            assert moved == pytest.approx(influence, abs=0.03 * np.abs(found.influences[side]).max())


def test_without_each_text_the_different_n_grams_are_counted_anew():
    texts = ["a b c a b", "a b d", "c", "a b c"]
    grams = [repetition._grams(text.split(), 2) for text in texts]
    for i, found in enumerate(repetition.without_each(grams)):
        together = sum(grams[:i] + grams[i + 1 :], start=type(grams[0])())
        assert found == pytest.approx(len(together) / together.total())


def test_overlap_has_rows_by_document(tmp_path):
    train = corpus(tmp_path / "a", "The river flows south past the old mill.")
    held_out = corpus(
        tmp_path / "b", "Here the river flows south, again.", "Snow lies on the ridge.", "Too short"
    )
    scores = ngrams(train, held_out, n=3)
    for field in ("share", "rows"):
        assert np.mean(scores.items.columns[field]) == pytest.approx(getattr(scores, field))
        assert np.std(scores.items.columns[field]) > 0
    assert scores.items.columns["rows"] == [1, 0, 0]
    assert scores.steps == {"share": 1 / 7, "rows": 1 / 3}
