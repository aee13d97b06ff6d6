"""Repetition of n-grams: figures by hand, and what it must not depend on."""

import json

import pytest
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st

from harness.artifact import Texts
from harness.errors import StageError
from harness.stages.metrics import repetition


def texts(folder, written, prompts=None):
    folder.mkdir(exist_ok=True)
    with (folder / repetition.METADATA).open("w", encoding="utf-8") as lines:
        for i, text in enumerate(written):
            prompt = prompts[i] if prompts else f"prompt {i}"
            lines.write(json.dumps({"prompt": prompt, "text": text, "tokens": 9}, ensure_ascii=False) + "\n")
    return Texts(folder)


def test_a_model_that_says_one_thing_for_ever_scores_near_one(tmp_path):
    scores = repetition.rate(texts(tmp_path, ["the sea and " * 100]))
    assert scores.rate == pytest.approx(1 - 3 / 297)
    assert scores.words == 300


def test_figures_by_hand(tmp_path):
    scores = repetition.rate(texts(tmp_path, ["a b a b a", "a b c", "c"]), n=2)
    assert scores.items.columns["rate"] == [0.5, 0, 1]  # ab ba ab ba; ab bc; nothing
    assert scores.rate == pytest.approx(1.5 / 3)
    assert scores.distinct == pytest.approx(3 / 6)  # ab ba bc of ab ba ab ba ab bc
    assert scores.words == 3
    assert scores.details["too_short"] == 1
    assert scores.conditions == {"n": 3}


@pytest.mark.proves("repetition.rate", "n")
def test_another_n_is_another_rate(tmp_path):
    written = texts(tmp_path, ["a b c a b d a b"])
    assert repetition.rate(written, n=2).rate > repetition.rate(written, n=3).rate == 0


WORDS = st.lists(st.sampled_from("abc"), max_size=12)


@draws(50)
@given(written=st.lists(WORDS, min_size=1, max_size=5), names=st.permutations("abc"))
def test_it_depends_on_which_words_are_equal_and_on_nothing_else(tmp_path, written, names):
    written = [*written, ["a", "b"]]
    renamed = dict(zip("abc", (f"{name}é" for name in names), strict=True))
    first = repetition.rate(texts(tmp_path / "a", [" ".join(words) for words in written]), n=2)
    other = repetition.rate(
        texts(tmp_path / "b", ["\n".join(renamed[w] for w in words) for words in written]), n=2
    )
    assert (first.rate, first.distinct, first.words) == (other.rate, other.distinct, other.words)
    assert 0 <= first.rate < 1
    assert 0 < first.distinct <= 1


def test_texts_of_one_prompt_have_names_of_their_own_and_twelve_are_shown(tmp_path):
    scores = repetition.rate(texts(tmp_path, ["a b c d"] * 14, prompts=["x", "y"] * 7))
    assert scores.items.item[:3] == ["x #1", "y #1", "x #2"]
    assert len(set(scores.items.item)) == 14
    assert scores.details["texts"] == [{"prompt": p, "text": "a b c d"} for p in ["x", "y"] * 6]
    assert scores.distinct == pytest.approx(1 / 14)


def test_texts_with_ends_of_lines_of_any_sort_are_read(tmp_path):
    scores = repetition.rate(texts(tmp_path, ["a\u2028b\x85c\r\nd e"]))
    assert scores.words == 5


def test_no_texts_are_refused(tmp_path):
    with pytest.raises(StageError, match="no texts"):
        repetition.rate(texts(tmp_path, []))


def test_a_model_that_has_fallen_silent_has_the_worst_scores_and_not_the_best(tmp_path):
    silent = repetition.rate(texts(tmp_path / "silent", ["a b c", ""]))
    assert (silent.rate, silent.distinct, silent.words) == (1, 0, 1.5)
    assert silent.details["too_short"] == 2
    talking = repetition.rate(texts(tmp_path / "talking", ["a b c d e", "f g h i"]))
    assert (talking.rate, talking.distinct) == (0, 1)
