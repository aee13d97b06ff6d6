"""A held-out part of a corpus, and what it repeats of the rest."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import FolderJob

from harness.artifact import Corpus
from harness.errors import StageError
from harness.formats import corpus
from harness.formats.corpus import Row
from harness.stages.data.corpus import Overlap, _taken, count_overlap, split

SIZES = {"a": 4, "b": 7, "c": 1, "d": 12, "e": 6, "f": 10}
SENTENCE = "the lake and the town and the forest and the sea are here all of them"
ROWS = [
    Row(f"{name} {i} is {'repeated: ' + SENTENCE if i == 0 else 'its own'}.", name, 0, i)
    for name, size in SIZES.items()
    for i in range(size)
]


def parts(rows, folder, **options):
    (folder / "read").mkdir(parents=True)
    corpus.write(folder / "read", rows)
    return split(Corpus(folder / "read"), job=FolderJob(folder), **options)


def rows_of(made):
    return [corpus.read(side.path) for side in made]


def test_no_document_is_on_both_sides_and_nothing_is_lost(tmp_path):
    made = parts(ROWS, tmp_path, held_out=0.25)
    train, held_out = rows_of(made)
    assert not {row.document for row in train} & {row.document for row in held_out}
    assert sorted(train + held_out) == sorted(ROWS)
    assert train == [row for row in ROWS if row in train]
    assert len(held_out) == 10
    assert {side.facts["rows"] for side in made} == {10, 30}
    assert made.held_out.facts["share"] == 0.25


def test_by_row_documents_are_divided(tmp_path):
    train, held_out = rows_of(parts(ROWS, tmp_path, held_out=10, by="row"))
    assert (len(train), len(held_out)) == (30, 10)
    assert {row.document for row in train} & {row.document for row in held_out}
    assert sorted(train + held_out) == sorted(ROWS)


@pytest.mark.proves("corpus.split", "held_out by overlap seed")
def test_every_parameter_changes_the_output(tmp_path):
    base = {"held_out": 0.25, "by": "document", "overlap": 13, "seed": 0}
    changes = [{}, {"held_out": 5}, {"by": "row"}, {"seed": 1}]
    found = [
        rows_of(parts(ROWS, tmp_path / str(i), **{**base, **change})) for i, change in enumerate(changes)
    ]
    assert len({str(sides) for sides in found}) == len(changes)
    shared = [
        parts(ROWS, tmp_path / f"n{n}", **{**base, "overlap": n}).train.facts["overlap"] for n in (13, 40)
    ]
    assert shared[0] != shared[1]


def test_what_is_held_out_depends_on_seed_and_names_alone(tmp_path):
    golden = {"document": {"a", "e"}, "row": {("b", 5), ("d", 3), ("d", 10)}}
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    for by, count in (("document", 10), ("row", 3)):
        for name, rows in (("in order", ROWS), ("shuffled", shuffled)):
            _, held_out = rows_of(parts(rows, tmp_path / f"{by} {name}", held_out=count, by=by, seed=3))
            found = {row.document if by == "document" else (row.document, row.row) for row in held_out}
            assert found == golden[by]


def test_what_a_held_out_row_repeats_is_counted_on_both_sides(tmp_path):
    made = parts(ROWS, tmp_path, held_out=0.25)
    documents = made.held_out.facts["documents"]
    assert made.held_out.facts["overlap"] == made.train.facts["overlap"]
    assert made.held_out.facts["overlap"]["n"] == 13
    assert made.held_out.facts["overlap"]["rows"] == documents
    own = parts([row for row in ROWS if row.row], tmp_path / "own", held_out=0.25)
    assert own.held_out.facts["overlap"]["shared"] == 0


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (ROWS[:4], {"held_out": 0.5}, "by: document cannot divide 4 rows of one document; by: row can"),
        (ROWS[:4], {"held_out": 0.1}, "held_out: 0 of 4 rows leaves one side empty"),
        (ROWS[:4], {"held_out": 4, "by": "row"}, "held_out: 4 of 4 rows leaves one side empty"),
        (ROWS, {"held_out": 1.0}, "held_out: 40 of 40 rows leaves one side empty"),
        (ROWS[:1], {"held_out": 1, "by": "row"}, "held_out: 1 of 1 rows leaves one side empty"),
        ([], {"held_out": 0.5}, "held_out: 0 of 0 rows leaves one side empty"),
    ],
)
def test_a_corpus_too_small_for_the_split_is_refused(tmp_path, rows, options, message):
    with pytest.raises(StageError, match=message):
        parts(rows, tmp_path, **options)


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 50), min_size=2, max_size=20),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_the_share_is_missed_by_less_than_a_document(sizes, share, seed):
    total = sum(sizes.values())
    wanted = min(max(round(share * total), 1), total - 1)
    taken = _taken(sizes, wanted, seed)
    count = sum(sizes[name] for name in taken)
    assert 0 < len(taken) < len(sizes)
    left = min(size for name, size in sizes.items() if name not in taken)
    assert wanted - count <= left
    assert count - wanted < max(sizes[name] for name in taken)


WORDS = [f"word{i}" for i in range(30)]
TRAINING_TEXTS = [" ".join(WORDS[:20]), " ".join(WORDS[20:])]


def test_a_planted_copy_is_found_whatever_its_case_and_punctuation():
    copy = f"Before all this: {' '.join(WORDS[3:16]).upper()}, and then more: of it!"
    assert count_overlap(TRAINING_TEXTS, [copy, "nothing of that"], 13) == Overlap(
        13, ngrams=9, shared=1, rows=1
    )
    assert count_overlap(TRAINING_TEXTS, [copy], 14).shared == 0
    assert count_overlap(TRAINING_TEXTS, [copy], 5) == Overlap(5, ngrams=17, shared=9, rows=1)


def test_ngrams_do_not_reach_over_rows():
    across = " ".join(WORDS[15:25])
    assert count_overlap(TRAINING_TEXTS, [across], 10).shared == 0
    assert count_overlap([" ".join(WORDS)], [across], 10).shared == 1


def test_repeated_ngrams_count_each_time_and_short_rows_have_none():
    found = count_overlap(["a b c"], ["a b c a b c", "a b"], 3)
    assert found == Overlap(3, ngrams=4, shared=2, rows=1)
    assert found.to_json() == {"n": 3, "ngrams": 4, "shared": 2, "rows": 1, "share": 0.5}
    assert count_overlap(["a b c"], ["a b"], 3).to_json()["share"] == 0.0


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=12), max_size=6), st.integers(1, 4))
def test_it_agrees_with_counting_pair_by_pair(rows, n):
    texts = [" ".join(row) for row in rows]
    random.Random(0).shuffle(texts)
    train, held_out = texts[::2], texts[1::2]
    grams = [[tuple(t.split()[i : i + n]) for i in range(len(t.split()) - n + 1)] for t in held_out]
    known = [tuple(t.split()[i : i + n]) for t in train for i in range(len(t.split()))]
    hits = [[any(gram == other for other in known) for gram in row] for row in grams]
    expected = Overlap(n, sum(map(len, grams)), sum(map(sum, hits)), sum(map(any, hits)))
    assert count_overlap(train, held_out, n) == expected
