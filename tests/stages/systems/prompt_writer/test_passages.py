"""How a corpus is cut into passages, and how they are kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StageError
from harness.formats.corpus import Row
from harness.stages.systems.prompt_writer.passages import Held, Piece, cut, read, sentences, write

WORDS = str.split


def rows(*texts):
    return [Row(text, "book", i + 1, i) for i, text in enumerate(texts)]


def test_a_passage_is_of_whole_sentences_as_far_as_they_fit():
    text = "One two three. Four five six. Seven eight nine! Ten eleven?"
    pieces = cut(rows(text), WORDS, 8, 0)
    assert [piece.text for piece in pieces.kept] == [
        "One two three. Four five six.",
        "Seven eight nine! Ten eleven?",
    ]
    assert pieces.split == 1


def test_overlap_is_of_whole_sentences():
    text = "One two three. Four five six. Seven eight nine. Ten eleven twelve."
    apart, shared = (cut(rows(text), WORDS, 8, overlap).kept for overlap in (0, 4))
    assert [piece.text for piece in apart] == [
        "One two three. Four five six.",
        "Seven eight nine. Ten eleven twelve.",
    ]
    assert shared[1].text.startswith("Four five six. Seven")


def test_a_text_without_full_stop_is_cut_between_words_and_a_long_word_anywhere():
    pieces = cut(rows(" ".join(f"w{i}" for i in range(50))), WORDS, 8, 0).kept
    assert len(pieces) == 7
    assert " ".join(piece.text for piece in pieces) == " ".join(f"w{i}" for i in range(50))
    letters = cut(rows("x" * 100), list, 30, 0).kept
    assert [len(piece.text) for piece in letters] == [30, 10]  # the first one three times


def test_passages_are_one_line_without_control_characters():
    (piece,) = cut(rows("A lake\x00 with\tclear \x1bwater,\nand a hyphen-\nated shore."), WORDS, 50, 0).kept
    assert piece.text == "A lake with clear water, and a hyphenated shore."


def test_a_passage_that_comes_again_is_counted_and_kept_where_it_came_first():
    pieces = cut(rows("A lake.", "Snow.", "A  lake.", "", " \n "), WORDS, 50, 0)
    assert [(piece.text, piece.page) for piece in pieces.kept] == [("A lake.", 1), ("Snow.", 2)]
    assert (pieces.duplicates, pieces.empty, pieces.split) == (1, 2, 0)


def test_an_id_follows_from_the_text_alone():
    (one,) = cut(rows("A lake."), WORDS, 50, 0).kept
    (other,) = cut([Row("A lake.", "another", 7, 3)], WORDS, 9, 2).kept
    assert one.id == other.id
    assert one.id != cut(rows("A lake"), WORDS, 50, 0).kept[0].id


@given(st.lists(st.text(alphabet="ab .!?,。\n", max_size=200), min_size=1, max_size=3), st.integers(8, 20))
def test_no_passage_is_too_long_and_no_word_is_lost(texts, size):
    pieces = cut(rows(*texts), WORDS, size, 0)
    assert all(len(piece.text.split()) <= size for piece in pieces.kept)
    kept = {piece.text for piece in pieces.kept}
    assert len(kept) == len(pieces.kept)
    for text in texts:
        if text.strip() and len(text.split()) <= size:
            assert " ".join(text.split()) in kept


@given(st.text(alphabet="ab .!?。\n", max_size=60))
def test_sentences_joined_are_the_text(text):
    assert "".join(sentences(text)) == text


def test_passages_are_read_as_they_were_written(tmp_path):
    held = Held(
        [Piece("a", "A lake.", "book", 3), Piece("b", "Ünïcödé 水", "", 0)], np.eye(2, 3, dtype=np.float32)
    )
    write(tmp_path, held)
    again = read(tmp_path)
    assert again.pieces == held.pieces
    assert np.array_equal(again.vectors, held.vectors)
    assert again.digest() == held.digest()
    moved = Held([held.pieces[0]._replace(page=4), held.pieces[1]], held.vectors)
    turned = Held(held.pieces, held.vectors * np.float32(0.5))
    assert len({held.digest(), moved.digest(), turned.digest()}) == 3


def test_a_damaged_table_is_refused_in_one_line(tmp_path):
    with pytest.raises(StageError, match="cannot be read as passages"):
        read(tmp_path)
    (tmp_path / "passages.parquet").write_bytes(b"PAR1")
    with pytest.raises(StageError, match="cannot be read as passages"):
        read(tmp_path)
