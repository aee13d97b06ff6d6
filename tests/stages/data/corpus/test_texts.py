"""Text files and parquet as a corpus."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from image_files import parquet, source
from jobs import FolderJob

from harness.errors import StageError
from harness.formats import corpus
from harness.sources.content import DigestCache
from harness.sources.hub import Source
from harness.sources.resolve import resolve
from harness.stages.data.corpus import read
from harness.stages.data.corpus.texts import LinePattern

GUIDE = (
    "---\ntitle: A guide\n---\nBefore.\n\n## Lakes\n\n* A *lake*.\n\n## Towns\n\nA town.\n## Lakes\nMore.\n"
)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "texts"
    (root / "inner").mkdir(parents=True)
    (root / "b.md").write_text(GUIDE)
    (root / "a.txt").write_bytes("\ufeffOne.\r\nTwo: 湖。\r\n".encode())
    (root / "inner" / "c.rst").write_text("Three.")
    (root / "blank.txt").write_text(" \n")
    (root / "zero.txt").write_bytes(b"")
    (root / "figure.png").write_bytes(b"\x89PNG")
    return root


@pytest.fixture
def shards(tmp_path):
    root = tmp_path / "set"
    for split, number, texts in (
        ("train", 0, ["a", "b", None]),
        ("train", 1, ["c"]),
        ("test", 0, ["d", " "]),
    ):
        rows = [
            {"text": t, "summary": f"short {t}", "paper": f"p{i % 2}", "year": 2000 + i}
            for i, t in enumerate(texts)
        ]
        of = 2 if split == "train" else 1
        parquet(root / "data" / f"{split}-{number:05d}-of-{of:05d}.parquet", rows)
    return root


def rows_of(place, job, **options):
    return corpus.read(read(source=source(place), job=FolderJob(job), **options).path)


def test_every_text_file_is_a_document_as_it_is_written(folder, tmp_path):
    made = read(source=source(folder), job=FolderJob(tmp_path))
    assert corpus.read(made.path) == [
        ("One.\nTwo: 湖。\n", "a.txt", 0, 0),
        (GUIDE, "b.md", 0, 0),
        ("Three.", "inner/c.rst", 0, 0),
    ]
    assert made.facts["documents"] == 3
    assert made.facts["empty"] == 2
    assert made.facts["unread"] == {".png": 1}


@pytest.mark.proves("corpus.read", "heading")
def test_a_heading_begins_another_document(folder, tmp_path):
    made = rows_of(folder / "b.md", tmp_path, heading=LinePattern.from_text("## .*"))
    assert [row.document for row in made] == ["b.md", "b.md#Lakes", "b.md#Towns", "b.md#Lakes (2)"]
    assert "".join(row.text for row in made) == GUIDE
    assert {row.row for row in made} == {0}


@pytest.mark.parametrize("text", ["## (", ".*", ""])
def test_a_heading_that_is_no_expression_or_every_line_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a regular expression|matches empty lines too"):
        LinePattern.from_text(text)


def test_parquet_is_read_row_by_row_and_its_file_is_the_document(shards, tmp_path):
    made = read(source=source(shards), job=FolderJob(tmp_path))
    assert corpus.read(made.path) == [
        ("d", "test-00000-of-00001.parquet", 0, 0),
        ("a", "train-00000-of-00002.parquet", 0, 0),
        ("b", "train-00000-of-00002.parquet", 0, 1),
        ("c", "train-00001-of-00002.parquet", 0, 0),
    ]
    assert made.facts["empty"] == 2


@pytest.mark.proves("corpus.read", "split column document")
def test_split_column_and_document_choose_what_is_read(shards, tmp_path):
    made = rows_of(shards, tmp_path / "1", split="train", column="summary", document="paper")
    assert made == [
        ("short a", "p0", 0, 0),
        ("short b", "p1", 0, 0),
        ("short None", "p0", 0, 1),
        ("short c", "p0", 0, 2),
    ]
    assert [row.document for row in rows_of(shards, tmp_path / "2", split="test", document="year")] == [
        "2000"
    ]
    one = shards / "data" / "train-00001-of-00002.parquet"
    assert [row.text for row in rows_of(one, tmp_path / "3")] == ["c"]


@pytest.mark.proves("corpus.read", "source")
def test_another_source_is_another_corpus(folder, shards, tmp_path):
    made = [
        read(source=source(place), job=FolderJob(tmp_path / place.name / "job")) for place in (folder, shards)
    ]
    assert corpus.read(made[0].path) != corpus.read(made[1].path)


def test_the_card_of_a_repository_is_read_only_where_it_is_all_there_is(folder, tmp_path):
    (folder / "README.md").write_text("About this repository.")
    here = source(folder)
    of_hub = replace(here, repo="org/name", place=None)
    for place, expected in ((here, True), (of_hub, False), (replace(of_hub, inside="docs"), True)):
        made = read(source=place, job=FolderJob(tmp_path / f"{place.repo} {place.inside}"))
        assert ("README.md" in {row.document for row in corpus.read(made.path)}) == expected
    (folder / "card").mkdir()
    (folder / "README.md").rename(folder / "card" / "README.md")
    only = replace(of_hub, found=source(folder / "card").found)
    assert corpus.read(read(source=only, job=FolderJob(tmp_path / "only")).path)[0].document == "README.md"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Überblick.".encode("latin-1"), r"a.txt: not UTF-8 \(byte 0xdc at offset 0\)"),
        ("A lake.".encode("utf-16"), r"a.txt: not UTF-8 \(byte 0xff at offset 0\)"),
        (b"A lake.\0\1\2", r"a.txt: a binary file \(byte 0x00 at offset 7\)"),
        (b" \n", "all 1 texts are empty"),
    ],
)
def test_what_is_no_text_is_one_line(tmp_path, content, message):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_bytes(content)
    with pytest.raises(StageError, match=message) as e:
        read(source=source(tmp_path / "texts"), job=FolderJob(tmp_path))
    assert len(str(e.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "train"}, "split: .* has text files, no parquet"),
        ({"column": "body"}, "column: .* has text files, no parquet"),
        ({"document": "paper"}, "document: .* has text files, no parquet"),
    ],
)
def test_options_for_parquet_are_refused_where_there_are_text_files(folder, tmp_path, options, message):
    with pytest.raises(StageError, match=message):
        rows_of(folder, tmp_path, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heading": LinePattern("## .*")}, "heading: .* has parquet"),
        ({"split": "trian"}, "no split 'trian', only test, train; did you mean 'train'"),
        ({"column": "txet"}, "no column 'txet', .* did you mean 'text'"),
        ({"column": "year"}, "row 0: year is int, expected text"),
        ({"document": "papers"}, "no column 'papers', .* did you mean 'paper'"),
    ],
)
def test_what_parquet_does_not_have_is_refused(shards, tmp_path, options, message):
    with pytest.raises(StageError, match=message):
        rows_of(shards, tmp_path, **options)


def test_a_row_of_no_document_is_refused(tmp_path):
    file = parquet(tmp_path / "a.parquet", [{"text": "a", "paper": "p"}, {"text": "b", "paper": None}])
    with pytest.raises(StageError, match=r"a.parquet row 1: paper is None, expected the name of a document"):
        rows_of(file, tmp_path, document="paper")


def test_a_folder_without_text_is_refused(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(StageError, match=r"no text, only 1 .png; expected .markdown"):
        rows_of(tmp_path / "pictures", tmp_path)


@pytest.mark.skipif("HARNESS_MIRROR" not in os.environ, reason="needs HARNESS_MIRROR")
@pytest.mark.parametrize(
    ("name", "heading", "documents"),
    [
        ("satellite-image-deep-learning/techniques@unpinned", "## .*", 44),
        ("wikitext/wikitext-2-raw@unpinned:valid.txt", " = [^=]* = ", 60),
    ],
)
def test_real_texts_of_a_mirror_are_divided_at_their_headings(tmp_path, name, heading, documents):
    mirror = Path(os.environ["HARNESS_MIRROR"])
    found = resolve(
        Source.from_text(name), mirror=mirror, cache=DigestCache(tmp_path / "digests"), download=False
    )
    made = read(source=found, heading=LinePattern.from_text(heading), job=FolderJob(tmp_path))
    assert made.facts["documents"] == documents
    (file,) = [found.path] if found.path.is_file() else found.path.glob("*.md")
    text = file.read_text(encoding="utf-8")
    assert "".join(row.text for row in corpus.read(made.path)).split() == text.split()
