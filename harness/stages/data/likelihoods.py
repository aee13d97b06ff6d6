"""Likelihoods of texts under a language model that runs elsewhere, from a table."""

from __future__ import annotations

from typing import Any

from harness.artifact import Likelihoods
from harness.errors import StageError
from harness.formats.likelihoods import Likelihood, write
from harness.formats.tables import Row
from harness.sources.content import passed_over
from harness.sources.hub import Source
from harness.stage import Job, Reading, Seed, stage
from harness.stages.data._own_table import idle_without_repeats, name_of, number, rows_of, table_of, unique


@stage(version=1, software=("pyarrow",), idle=idle_without_repeats)
def read(
    *,
    source: Source,
    item: Reading[str] = "item",
    document: Reading[str | None] = None,
    tokens: Reading[str] = "tokens",
    bytes: Reading[str] = "bytes",
    nll: Reading[str] = "nll",
    protocol: Reading[str] = "as given",
    seed_column: Reading[str | None] = None,
    seed: Seed = 0,
    job: Job,
) -> Likelihoods:
    """Read how likely each text of a corpus is under a model: CSV, JSON lines or parquet; text is UTF-8.

    A row is a text: its name, how many tokens and UTF-8 bytes were predicted, and the sum of their negative
    log-likelihoods in nats. Perplexity is exp(sum of nll / sum of tokens), with intervals over documents. How many
    tokens of the texts the tokenizer does not know is not in the table, so reports do not have that number.

    Args:
        source: the file, or a folder with one. ``path:../out/seed-{seed}.csv`` is one file for each repeat.
        item: the column with the text's name; unique, and the same in every run.
        document: the column with the document that the text is from; null: ``document`` if there is such a column,
            else each text is a document.
        tokens: the column with the number of predicted tokens, at least 1.
        bytes: the column with the number of UTF-8 bytes of the predicted text.
        nll: the column with the sum of the tokens' negative log-likelihoods, in nats.
        protocol: how they were computed, in your words (context, stride, BOS, precision). Reports name it, and scores
            of different words are incomparable.
        seed_column: the column with the seed of the repeat; only rows of ``seed`` are read.
        seed: the repeat: chooses the file or the rows. It draws nothing.
        job: gives the folder.

    Raises:
        StageError: a file that is no such table; a missing column; a value that is missing, not finite or out of range;
            an item that occurs twice; no rows. Names file and row.
    """
    rows = rows_of(table_of(source.path), seed_column, seed)
    items = unique(rows, item)
    if document is None and "document" in rows[0].cells:
        document = "document"
    found = [
        Likelihood(
            name,
            name if document is None else name_of(row, document, "document"),
            _count(row, tokens, least=1),
            _count(row, bytes, least=0),
            _nll(row, nll),
        )
        for name, row in zip(items, rows, strict=True)
    ]
    folder = job.folder()
    write(folder, found)
    return Likelihoods(
        folder,
        facts={
            "protocol": protocol,
            "texts": len(found),
            "tokens": sum(row.tokens for row in found),
            "bytes": sum(row.bytes for row in found),
            "unknown_tokens": None,
            **passed_over(source.path),
        },
    )


def _count(row: Row, column: str, *, least: int) -> int:
    value: Any = row[column]
    found = number(value, row.where, column)
    if found != int(found) or not least <= found < 2**53:
        raise StageError(f"{row.where}: {column} is {value!r:.40}, expected a whole number, at least {least}")
    return int(found)


def _nll(row: Row, column: str) -> float:
    found = number(row[column], row.where, column)
    if found < 0:
        raise StageError(f"{row.where}: {column} is {found:g}; a negative log-likelihood is not below 0")
    return found
