"""Distinct-n by hand; self-BLEU against sacrebleu's own sentence BLEU."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stages.metrics.prompts.diversity import distinct, self_bleu


def test_distinct_by_hand():
    assert distinct([["a", "b", "c"], ["a", "b"]], 2) == 2 / 3
    assert distinct([["a", "b"]], 3) == 0


TEXTS = st.lists(st.lists(st.sampled_from("abcde"), max_size=9), min_size=2, max_size=6)


@given(TEXTS, st.integers(1, 4))
def test_self_bleu_is_sacrebleus_sentence_bleu_with_the_others_as_references(texts, n):
    from sacrebleu.metrics import BLEU

    scores = self_bleu(texts, n)
    bleu = BLEU(tokenize="none", effective_order=True, max_ngram_order=n)
    for i, text in enumerate(texts):
        others = [" ".join(other) for j, other in enumerate(texts) if j != i]
        expected = bleu.sentence_score(" ".join(text), others).score / 100
        assert scores[i] == pytest.approx(expected, abs=1e-9)


def test_copies_are_one_and_strangers_near_nothing():
    assert self_bleu([["a", "lake", "in", "a", "wood"]] * 3) == [1, 1, 1]
    assert max(self_bleu([["a", "b", "c", "d", "e"], ["f", "g", "h", "i", "j"]])) < 0.1
