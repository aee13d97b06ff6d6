"""The share of held-out text that is in the training text too, counted by hand."""

import pytest
from corpora import corpus

from harness.errors import StageError
from harness.stages.data.corpus import count_overlap
from harness.stages.metrics.overlap import ngrams

TRAIN = ("The river flows south past the old mill.", "Nothing of it is elsewhere.")
HELD_OUT = ("Here the RIVER flows south, again.", "Snow lies on the ridge.", "Too short")


def test_figures_by_hand(tmp_path):
    """Of "here the river", "the river flows", "river flows south", "flows south again" two are known."""
    found = ngrams(corpus(tmp_path / "a", *TRAIN), corpus(tmp_path / "b", *HELD_OUT), n=3)
    assert (found.share, found.rows) == (2 / 7, 1 / 3)
    assert found.details == {"shared": 2, "ngrams": 7, "rows": 1}
    assert found.share == count_overlap(TRAIN, HELD_OUT, 3).to_json()["share"]


@pytest.mark.proves("overlap.ngrams", "n")
def test_n_decides_how_much_is_shared(tmp_path):
    train, held_out = corpus(tmp_path / "a", *TRAIN), corpus(tmp_path / "b", *HELD_OUT)
    assert [ngrams(train, held_out, n=n).details["shared"] for n in (1, 3, 4, 5)] == [5, 2, 1, 0]
    assert ngrams(train, held_out, n=13).share == 0


def test_a_corpus_without_rows_is_named(tmp_path):
    empty, full = corpus(tmp_path / "a"), corpus(tmp_path / "b", *TRAIN)
    with pytest.raises(StageError, match="train: no rows"):
        ngrams(empty, full)
    with pytest.raises(StageError, match="held_out: no rows"):
        ngrams(full, empty)
