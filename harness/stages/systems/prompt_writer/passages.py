"""``passages.parquet``: pieces of a corpus that are short enough for an embedder, without duplicates."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from llama_index.core.node_parser import SentenceSplitter
from numpy.typing import NDArray

from harness.formats.corpus import Row
from harness.formats.strict_table import PLAIN, read_table, schema
from harness.stages.data.corpus.pdf import mend

TABLE = "passages.parquet"

_SENTENCE = re.compile(r"[.!?]\s+|[。！？।॥۔؟።]\s*")


class Piece(NamedTuple):
    """A passage before it has a vector."""

    id: str
    """32 hex digits that depend only on its text."""
    text: str
    document: str
    page: int


class Pieces(NamedTuple):
    """The pieces of a corpus."""

    kept: list[Piece]
    """In the order of the corpus; no text twice."""
    duplicates: int
    """Number of passages whose text occurred before."""
    empty: int
    """Number of rows without text."""
    split: int
    """Number of rows that were too long for one passage."""


class Held(NamedTuple):
    """Passages and their vectors, row by row."""

    pieces: list[Piece]
    vectors: NDArray[np.float32]
    """Shape (N, D); each row has norm 1."""

    def digest(self) -> str:
        """64 hex digits over all content: equal if and only if the collections made from it are the same."""
        body = sha256(f"harness/passages/1:{self.vectors.shape}".encode())
        for piece in self.pieces:
            body.update(f"{piece.id}\n{piece.document}\n{piece.page}\n".encode())
        body.update(np.ascontiguousarray(self.vectors, np.dtype("<f4")).tobytes())
        return body.hexdigest()


def cut(rows: Sequence[Row], tokens: Callable[[str], list[str]], size: int, overlap: int) -> Pieces:
    """Cut the rows of a corpus into passages of whole sentences, as far as they fit.

    Each row is cut separately, so a passage comes from one document and page. It is running text on one line, without
    control characters. A sentence longer than ``size`` is cut at a comma, else between words, else anywhere.

    Args:
        rows: rows of a corpus.
        tokens: splits a text into the tokens that its length is counted in.
        size: maximum number of tokens of a passage.
        overlap: maximum number of tokens, in whole sentences, that two passages of a row share.
    """
    splitter = SentenceSplitter(
        chunk_size=size, chunk_overlap=overlap, tokenizer=tokens, chunking_tokenizer_fn=sentences
    )
    kept: dict[str, Piece] = {}
    found = empty = split = 0
    for row in rows:
        # mend() first: the splitter keeps control characters, and a hyphen at a line's end splits a word in two.
        texts = [" ".join(text.split()) for text in splitter.split_text(" ".join(mend(row.text).split()))]
        texts = [text for text in texts if text]
        empty += not texts
        split += len(texts) > 1
        found += len(texts)
        for text in texts:
            name = sha256(text.encode()).hexdigest()[:32]
            kept.setdefault(name, Piece(name, text, row.document, row.page))
    return Pieces(list(kept.values()), found - len(kept), empty, split)


def sentences(text: str) -> list[str]:
    """Split a text at the ends of sentences; joined, the pieces are the text."""
    ends = [0, *(found.end() for found in _SENTENCE.finditer(text)), len(text)]
    return [text[begin:end] for begin, end in pairwise(ends) if begin < end]


def write(folder: Path, held: Held) -> None:
    """Write ``passages.parquet``."""
    columns = {name: [piece[index] for piece in held.pieces] for index, name in enumerate(Piece._fields)}
    columns["vector"] = list(held.vectors)
    pq.write_table(pa.table(columns, schema=_schema()), folder / TABLE, **PLAIN)


def read(folder: Path) -> Held:
    """Read what ``write`` wrote.

    Raises:
        StageError: the table is missing, damaged, or has other columns.
    """
    table = read_table(folder / TABLE, _schema(), "passages")
    pieces = [
        Piece(*values) for values in zip(*(table[name].to_pylist() for name in Piece._fields), strict=True)
    ]
    return Held(pieces, np.array(table["vector"].to_pylist(), np.float32))


def _schema() -> pa.Schema:
    types = {"id": pa.string(), "text": pa.string(), "document": pa.string(), "page": pa.int32()}
    return schema({**types, "vector": pa.list_(pa.float32())})
