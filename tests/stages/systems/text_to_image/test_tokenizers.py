"""Tokenizers learn frequent words, spell all others, and come from folders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from image_files import source
from jobs import FolderJob
from transformers import CLIPTokenizer

from harness.artifact import Captions, Tokenizer
from harness.errors import StageError
from harness.stages.systems.text_to_image import load_tokenizer, train_tokenizer


def captions(folder: Path, *sentences: str) -> Captions:
    folder.mkdir(parents=True)
    lines = (json.dumps({"file_name": f"{i}.png", "captions": [s]}) for i, s in enumerate(sentences))
    (folder / "metadata.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return Captions(folder)


@pytest.fixture
def learnt(tmp_path: Path) -> Tokenizer:
    told = captions(tmp_path / "told", *["Many green parcels beside a river."] * 20, "A quay.")
    return train_tokenizer((told,), vocabulary=600, job=FolderJob(tmp_path / "learnt"))


def opened(tokenizer: Tokenizer) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(tokenizer.path, local_files_only=True)


def test_frequent_words_take_one_token(learnt: Tokenizer) -> None:
    assert opened(learnt).tokenize("green Parcels river") == ["green</w>", "parcels</w>", "river</w>"]
    assert learnt.facts["length"] == 77


@pytest.mark.parametrize("text", ["zebra", "l'été à Orléans", "北京 23°", "runway №7"])
def test_any_text_can_be_spelt(learnt: Tokenizer, text: str) -> None:
    words = opened(learnt)
    ids = words(text).input_ids
    assert words.unk_token_id not in ids[1:-1]
    assert words.decode(ids[1:-1]).replace(" ", "") == text.lower().replace(" ", "")


def test_pairs_that_are_equally_frequent_are_always_merged_in_the_same_order(tmp_path):
    """Every word once: the order of all pairs hangs on the numbers of their letters."""
    told = captions(tmp_path / "told", *(f"{a}{b}" for a in "abcdefgh" for b in "stuvwxyz"))
    made = [
        train_tokenizer((told,), vocabulary=600, job=FolderJob(tmp_path / str(n))).path / "tokenizer.json"
        for n in range(6)
    ]
    assert len({file.read_bytes() for file in made}) == 1


@pytest.mark.proves("text_to_image.train_tokenizer", "vocabulary")
def test_vocabulary_bounds_how_many_tokens_there_are(tmp_path: Path) -> None:
    told = captions(tmp_path / "told", *(f"{a}{b}{a}" for a in "abcdefghijklm" for b in "nopqrstuvw"))
    small, large = (
        train_tokenizer((told,), vocabulary=n, job=FolderJob(tmp_path / str(n))) for n in (600, 700)
    )
    assert small.facts["vocabulary"] == len(opened(small)) <= 600 < len(opened(large)) <= 700


def test_several_folders_are_read(tmp_path: Path) -> None:
    one, other = captions(tmp_path / "1", *["meadow"] * 5), captions(tmp_path / "2", *["glacier"] * 5)
    both = train_tokenizer((one, other), vocabulary=600, job=FolderJob(tmp_path / "job"))
    assert opened(both).tokenize("meadow glacier") == ["meadow</w>", "glacier</w>"]
    with pytest.raises(StageError, match="no sentence to learn words from"):
        train_tokenizer((captions(tmp_path / "none"),), vocabulary=600, job=FolderJob(tmp_path / "no"))


@pytest.mark.proves("text_to_image.load_tokenizer", "source")
def test_a_stored_tokenizer_is_loaded(learnt: Tokenizer, tmp_path: Path) -> None:
    loaded = load_tokenizer(source=source(learnt.path), job=FolderJob(tmp_path / "job"))
    text = "Green parcels beside a zebra."
    assert opened(loaded)(text).input_ids == opened(learnt)(text).input_ids
    other = train_tokenizer(
        (captions(tmp_path / "x", "zebra " * 9),), vocabulary=600, job=FolderJob(tmp_path / "o")
    )
    again = load_tokenizer(source=source(other.path), job=FolderJob(tmp_path / "another source"))
    assert opened(again)(text).input_ids != opened(loaded)(text).input_ids


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "vocab.json").write_text("{")
    (tmp_path / "empty" / "merges.txt").write_text("#version: 0.2\n")
    empty = replace(source(tmp_path / "empty"), text="path:empty")
    with pytest.raises(StageError, match="path:empty: not a CLIP tokenizer"):
        load_tokenizer(source=empty, job=FolderJob(tmp_path / "a"))
    (tmp_path / "empty" / "merges.txt").unlink()
    with pytest.raises(StageError, match="path:empty: no tokenizer"):
        load_tokenizer(source=empty, job=FolderJob(tmp_path / "b"))
