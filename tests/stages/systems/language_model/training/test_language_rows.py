"""No token is lost, doubled or learnt from where there is none."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from corpora import corpus
from hypothesis import given
from hypothesis import strategies as st
from jobs import FolderJob
from rounding import assert_same
from tiny_language_model import RECIPE, SENTENCES, tiny_model
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from harness.artifact import Corpus
from harness.errors import StageError
from harness.stages.systems.language_model.opening import Opened, open_model
from harness.stages.systems.language_model.training import (
    IGNORED,
    Rows,
    blocks,
    collate,
    drawn,
    parts,
    read_rows,
)

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return open_model(tiny_model(tmp_path_factory.mktemp("model")).path, None, precision="fp32", device="cpu")


def rows_of(data: Corpus, tokenizer: PreTrainedTokenizerFast, job: FolderJob, **recipe: Any) -> Rows:
    return read_rows(data.path, tokenizer, replace(RECIPE, **recipe), "training", job)


def test_a_text_is_a_row_and_ends(opened: Opened, tmp_path: Path) -> None:
    data, job = corpus(tmp_path, *SENTENCES), FolderJob(tmp_path)
    ended = rows_of(data, opened.tokenizer, job).rows
    assert [opened.tokenizer.decode(row[:-1]) for row in ended] == list(SENTENCES)
    assert {int(row[-1]) for row in ended} == {opened.tokenizer.eos_token_id}
    endless = rows_of(data, opened.tokenizer, job, eos=False).rows
    assert [opened.tokenizer.decode(row) for row in endless] == list(SENTENCES)


def test_what_is_cut_is_counted_and_said(opened: Opened, tmp_path: Path) -> None:
    lengths = [len(opened.tokenizer(text).input_ids) + 1 for text in SENTENCES]
    job = FolderJob(tmp_path)
    made = rows_of(corpus(tmp_path, *SENTENCES, ""), opened.tokenizer, job, context=16)
    long = [n for n in lengths if n > 17]
    assert 0 < len(long) < len(lengths)
    assert made.facts == {
        "texts": 7,
        "rows": 6,
        "tokens": sum(min(n - 1, 16) for n in lengths),
        "texts_cut": len(long),
        "tokens_cut": sum(long) - 17 * len(long),
        "texts_too_short": 1,
    }
    [line] = job.lines
    assert line.startswith(f"training: {len(long)} of 7 texts do not fit into a context of 16; their last ")


def test_packing_predicts_every_token_but_the_first(opened: Opened, tmp_path: Path) -> None:
    job = FolderJob(tmp_path)
    made = rows_of(corpus(tmp_path, *SENTENCES), opened.tokenizer, job, batching="pack", context=16)
    line = [*made.rows[0][:1], *(token for row in made.rows for token in row[1:])]
    assert opened.tokenizer.decode(line) == "".join(f"{text}<|endoftext|>" for text in SENTENCES)
    assert made.facts["tokens"] == len(line) - 1
    assert made.facts["tokens_cut"] == 0
    assert not job.lines


@given(st.lists(st.integers(0, 12), min_size=1, max_size=9), st.integers(1, 9))
def testblocks_keep_the_line(lengths: list[int], context: int) -> None:
    line = np.arange(sum(lengths), dtype=np.int32)
    rows = blocks(np.split(line, np.cumsum(lengths)[:-1]), context)
    assert [t for row in rows for t in row[1:]] == line[1:].tolist()
    assert [t for row in rows for t in row[:-1]] == line[:-1].tolist()
    assert all(len(row) == context + 1 for row in rows[:-1])


def test_the_tokenizer_decides_how_a_text_begins(opened: Opened, tmp_path: Path) -> None:
    own = PreTrainedTokenizerFast(
        tokenizer_object=opened.tokenizer.backend_tokenizer, eos_token="<|endoftext|>"
    )
    end = own.eos_token_id
    own.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A <|endoftext|>", special_tokens=[("<|endoftext|>", end)]
    )
    [row] = rows_of(corpus(tmp_path, "Snow is bright."), own, FolderJob(tmp_path)).rows
    assert own.decode(row) == "<|endoftext|>Snow is bright.<|endoftext|>"


def test_pads_are_neither_learnt_nor_seen(opened: Opened) -> None:
    """By length: the token that ends a text is a target even where it is the pad as well."""
    end = opened.tokenizer.eos_token_id
    assert end == opened.network.config.pad_token_id == 0
    short, long = np.array([5, 6, end], dtype=np.int32), np.arange(9, 20, dtype=np.int32)
    batch = collate([short, long])
    assert batch.targets[0].tolist() == [6, end, *[IGNORED] * 8]
    assert batch.targets[1].tolist() == list(range(10, 20))
    with torch.inference_mode():
        together = opened.network(input_ids=batch.inputs).logits
        alone = opened.network(input_ids=collate([short]).inputs).logits
        other = batch.inputs.masked_fill(batch.targets == IGNORED, 77)
        assert_same(together[0, :2], alone[0], terms=128, layers=12)
        assert_same(together[0, :2], opened.network(input_ids=other).logits[0, :2], terms=128, layers=12)


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_every_pass_reads_each_row_once(count: int, epochs: int, batch_size: int, accumulate: int) -> None:
    recipe = replace(RECIPE, epochs=epochs, batch_size=batch_size, accumulate=accumulate)
    read = [i for step in range(recipe.steps(count)) for i in drawn(recipe, count, step)]
    passes = [read[first : first + count] for first in range(0, len(read), count)]
    assert len(passes) == epochs
    assert all(Counter(one) == Counter(range(count)) for one in passes)


def test_passes_are_shuffled_by_the_seed() -> None:
    recipe = replace(RECIPE, batch_size=50)
    first, second = drawn(recipe, 50, 0), drawn(recipe, 50, 1)
    assert first != second
    assert first != sorted(first)
    assert first == drawn(recipe, 50, 0) != drawn(replace(recipe, seed=1), 50, 0)


def test_accumulated_batches_hold_the_rows_of_the_step() -> None:
    rows = [np.arange(i, i + 3, dtype=np.int32) for i in range(5)]
    found = [batch.inputs[:, 0].tolist() for batch in parts(rows, 2)]
    assert found == [[0, 1], [2, 3], [4]]


def test_a_corpus_with_nothing_to_predict_is_refused(opened: Opened, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="the training corpus is empty"):
        rows_of(corpus(tmp_path / "none"), opened.tokenizer, FolderJob(tmp_path))
    for batching in ("pad", "pack"):
        with pytest.raises(StageError, match="no text of two tokens or more"):
            rows_of(corpus(tmp_path / batching, ""), opened.tokenizer, FolderJob(tmp_path), batching=batching)
