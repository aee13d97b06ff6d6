"""Turns texts into rows of tokens, counts what is left out, and draws the rows of each step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from harness.artifact import Json
from harness.errors import StageError
from harness.formats.corpus import read
from harness.stage import Job
from harness.stages.systems.language_model.subject import Recipe

Tokens = NDArray[np.int32]
_AT_ONCE = 1000
"""Number of texts tokenised at once; limited because a tokenizer returns far more than the tokens."""


@dataclass(frozen=True)
class Rows:
    """The rows that a network is trained or evaluated on."""

    rows: Sequence[Tokens]
    """Each of shape (n + 1,), n at most the context: all but the last token are read, all but the first predicted."""
    facts: dict[str, Json]
    """Numbers of texts, rows and predicted tokens, and what was left out."""


def read_rows(corpus: Path, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, what: str, job: Job) -> Rows:
    """The rows of a corpus: one for each text, or blocks of the concatenated texts.

    Args:
        corpus: a folder with ``corpus.parquet``.
        tokenizer: adds its default special tokens (Llama's: a beginning of text); the end of text is added here.
        recipe: its ``batching``, ``context`` and ``eos``.
        what: ``training`` or ``validation``, for messages.
        job: texts that are cut are reported in its log.

    Raises:
        StageError: there is nothing to predict.
    """
    texts = [row.text for row in read(corpus)]
    if not texts:
        raise StageError(f"the {what} corpus is empty")
    tokens = list(_tokens(texts, tokenizer, recipe.eos))
    rows = blocks(tokens, recipe.context) if recipe.batching == "pack" else tokens
    rows = [row for row in rows if len(row) > 1]
    if not rows:
        raise StageError(f"the {what} corpus has no text of two tokens or more, so nothing can be predicted")
    most = recipe.context + 1
    cut = [len(row) - most for row in rows if len(row) > most]
    rows = [row[:most] for row in rows]
    predicted = sum(len(row) - 1 for row in rows)
    if cut:
        job.log(
            f"{what}: {len(cut)} of {len(texts)} texts do not fit into a context of {recipe.context}; their last "
            f"{sum(cut)} tokens ({sum(cut) / (sum(cut) + predicted):.1%} of all) are cut off. "
            "A larger context or batching: pack keeps them"
        )
    facts: dict[str, Json] = {
        "texts": len(texts),
        "rows": len(rows),
        "tokens": predicted,
        "texts_cut": len(cut),
        "tokens_cut": sum(cut),
        "texts_too_short": 0 if recipe.batching == "pack" else len(texts) - len(rows),
    }
    return Rows(rows, facts)


def _tokens(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, eos: bool) -> Iterator[Tokens]:
    """Tokens of each text. No end of text is added if the tokenizer has already added it."""
    end = tokenizer.eos_token_id
    for first in range(0, len(texts), _AT_ONCE):
        batch = tokenizer(list(texts[first : first + _AT_ONCE]), return_attention_mask=False, verbose=False)
        for ids in batch["input_ids"]:
            yield np.array([*ids, end] if eos and ids[-1:] != [end] else ids, dtype=np.int32)


def blocks(tokens: Sequence[Tokens], context: int) -> list[Tokens]:
    """All tokens concatenated and cut into blocks. Each but the very first is predicted once; the last may be short."""
    line = np.concatenate(tokens)
    count = math.ceil((len(line) - 1) / context)
    return [line[i * context : (i + 1) * context + 1] for i in range(count)]


IGNORED = -100
"""Target value that torch's cross-entropy ignores."""


@dataclass(frozen=True)
class Batch:
    """Rows of unequal length, each padded on the right.

    In a causal network no token sees the padding after it, so the padding has no effect. Therefore there is no mask,
    and attention takes its fastest path.
    """

    inputs: Tensor
    """(B, T) int64."""
    targets: Tensor
    """(B, T) int64: for each input, the token that follows it; ``IGNORED`` after the end of a row. The end is found by
    length, because the padding may be the token that ends a text, which must be learnt."""


def collate(rows: Sequence[Tokens]) -> Batch:
    """One batch of rows of shape (n + 1,), padded to the longest."""
    shape = len(rows), max(len(row) for row in rows) - 1
    inputs = torch.zeros(shape, dtype=torch.int64)
    targets = torch.full(shape, IGNORED, dtype=torch.int64)
    for i, row in enumerate(rows):
        known = torch.from_numpy(row)
        inputs[i, : len(row) - 1] = known[:-1]
        targets[i, : len(row) - 1] = known[1:]
    return Batch(inputs, targets)


def drawn(recipe: Recipe, count: int, step: int) -> list[int]:
    """Indices of the rows, out of ``count``, that a step reads.

    These are the next ``per_step`` of ``epochs`` shuffled passes over all rows. The last step of the last pass may be
    smaller than the others.
    """
    first = step * recipe.per_step
    return recipe.drawn(count, range(first, min(first + recipe.per_step, recipe.epochs * count)))


def parts(rows: Sequence[Tokens], batch_size: int) -> Iterator[Batch]:
    """Split rows into batches of ``batch_size``, in order."""
    for first in range(0, len(rows), batch_size):
        yield collate(rows[first : first + batch_size])
