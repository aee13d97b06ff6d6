"""What a held-out text repeats."""

import random

from hypothesis import given
from hypothesis import strategies as st

from harness.stages.data.corpus.overlap import Overlap, overlap

WORDS = [f"word{i}" for i in range(30)]
TRAIN = [" ".join(WORDS[:20]), " ".join(WORDS[20:])]


def test_a_planted_copy_is_found_whatever_its_case_and_punctuation():
    copy = f"Before all this: {' '.join(WORDS[3:16]).upper()}, and then more: of it!"
    assert overlap(TRAIN, [copy, "nothing of that"], 13) == Overlap(13, ngrams=9, shared=1, rows=1)
    assert overlap(TRAIN, [copy], 14).shared == 0
    assert overlap(TRAIN, [copy], 5) == Overlap(5, ngrams=17, shared=9, rows=1)


def test_ngrams_do_not_reach_over_rows():
    across = " ".join(WORDS[15:25])
    assert overlap(TRAIN, [across], 10).shared == 0
    assert overlap([" ".join(WORDS)], [across], 10).shared == 1


def test_repeated_ngrams_count_each_time_and_short_rows_have_none():
    found = overlap(["a b c"], ["a b c a b c", "a b"], 3)
    assert found == Overlap(3, ngrams=4, shared=2, rows=1)
    assert found.to_json() == {"n": 3, "ngrams": 4, "shared": 2, "rows": 1, "share": 0.5}
    assert overlap(["a b c"], ["a b"], 3).to_json()["share"] == 0.0


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=12), max_size=6), st.integers(1, 4))
def test_it_agrees_with_counting_pair_by_pair(rows, n):
    texts = [" ".join(row) for row in rows]
    random.Random(0).shuffle(texts)
    train, held_out = texts[::2], texts[1::2]
    grams = [[tuple(t.split()[i : i + n]) for i in range(len(t.split()) - n + 1)] for t in held_out]
    known = [tuple(t.split()[i : i + n]) for t in train for i in range(len(t.split()))]
    hits = [[any(gram == other for other in known) for gram in row] for row in grams]
    expected = Overlap(n, sum(map(len, grams)), sum(map(sum, hits)), sum(map(any, hits)))
    assert overlap(train, held_out, n) == expected
