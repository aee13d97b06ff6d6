"""Texts into chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import FolderJob

from harness.artifact import Corpus
from harness.errors import StageError
from harness.formats import corpus
from harness.formats.corpus import Row
from harness.stages.data.corpus import _chunks, chunk

PAGES = [
    Row("A lake is 3.5 km wide. It is", "a", 1, 0),
    Row("", "a", 2, 1),
    Row("deep.\nA town", "a", 4, 2),
    Row("is near! No end here", "a", 5, 3),
    Row("One row.", "b", 0, 0),
]


def chunks(rows, folder, **options):
    corpus.write(folder, rows)
    made = chunk(Corpus(folder), job=FolderJob(folder), **options)
    return made, corpus.read(made.path)


def test_chunks_end_with_sentences_and_begin_on_their_page(tmp_path):
    made, found = chunks(PAGES, tmp_path, characters=10)
    assert found == [
        ("A lake is 3.5 km wide.", "a", 1, 0),
        ("It is deep.", "a", 1, 1),
        ("A town is near!", "a", 4, 2),
        ("No end here", "a", 5, 3),
        ("One row.", "b", 0, 0),
    ]
    assert made.facts == {
        "documents": 2,
        "rows": 5,
        "characters": 67,
        "empty": 1,
        "shorter": 1,
        "cut": 0,
        "without_full_stop": 0,
    }


@pytest.mark.proves("corpus.chunk", "characters")
def test_characters_are_the_least_that_a_chunk_has(tmp_path):
    lengths = {}
    for characters in (1, 11, 12, 23, 24, 500):
        (tmp_path / str(characters)).mkdir()
        made, found = chunks(PAGES, tmp_path / str(characters), characters=characters)
        lengths[characters] = [len(row.text) for row in found]
        assert made.facts["shorter"] == sum(length < characters for length in lengths[characters])
    assert lengths[1] == lengths[11] == [22, 11, 15, 11, 8]
    assert lengths[12] == [22, 27, 11, 8]
    assert lengths[23] == lengths[24] == [34, 27, 8]
    assert lengths[500] == [62, 8]


@pytest.mark.parametrize(
    "text",
    [
        "湖很深。城市在旁边！在哪里？",
        "झील गहरी है। शहर पास है॥",
        "جھیل گہری ہے۔ شہر قریب ہے؟",
        "The lake. The town!",
    ],
)
def test_sentences_of_other_scripts_end_too(tmp_path, text):
    made, found = chunks([Row(text, "a", 0, 0)], tmp_path, characters=1)
    assert len(found) > 1
    assert all(row.text[-1] in ".!。！？।॥۔؟" for row in found)
    assert made.facts["without_full_stop"] == 0


@pytest.mark.proves("corpus.chunk", "longest")
def test_a_document_without_a_full_stop_is_cut_at_white_space_before_the_longest(tmp_path):
    text = "lake " * 100
    for longest, lengths in ((52, [49] * 10), (54, [54] * 9 + [4]), (None, [499])):
        (tmp_path / str(longest)).mkdir()
        made, found = chunks([Row(text, "a", 0, 0)], tmp_path / str(longest), characters=5, longest=longest)
        assert [len(row.text) for row in found] == lengths
        assert made.facts["without_full_stop"] == 1
        assert made.facts["cut"] == len(lengths) - 1


def test_ten_megabytes_on_one_line_are_cut(tmp_path):
    made, found = chunks([Row("湖" * 3_500_000, "a", 0, 0)], tmp_path)
    assert made.facts["cut"] == len(found) - 1 == 3_500_000 // 2000 - 1
    assert {len(row.text) for row in found} == {2000}


def test_longest_must_leave_room_for_the_least(tmp_path):
    with pytest.raises(StageError, match="longest: 400 is less than characters: 500"):
        chunks(PAGES, tmp_path, characters=500, longest=400)


@pytest.mark.parametrize("rows", [[], [Row(" \n", "a", 0, 0), Row("", "b", 0, 0)]])
def test_a_corpus_without_text_is_refused(tmp_path, rows):
    with pytest.raises(StageError, match=f"corpus: no text in its {len(rows)} rows"):
        chunks(rows, tmp_path)


TEXT = st.text(alphabet=st.sampled_from("ab .!\n。1"), max_size=60)


@given(st.lists(TEXT, min_size=1, max_size=8), st.integers(1, 30), st.none() | st.integers(30, 60))
def test_no_text_is_lost_or_doubled_whatever_it_is(texts, characters, longest):
    rows = [Row(f"a{text}", "a", page, page) for page, text in enumerate(texts)]
    found = list(_chunks(rows, characters, longest))
    assert "".join("".join(c.text.split()) for c in found) == "".join("".join(r.text.split()) for r in rows)
    assert all(c.text and c.text == c.text.strip() for c in found)
    assert [c.page for c in found] == sorted(c.page for c in found)
    assert all(c.cut or (len(c.text) >= characters and c.text[-1] in ".!。") for c in found[:-1])
    assert longest is not None or not any(c.cut for c in found)
    assert longest is None or all(len(c.text) <= longest for c in found)
