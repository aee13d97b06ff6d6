"""Texts into chunks of some hundred characters that end where a sentence does."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from harness.artifact import Corpus
from harness.data.corpus import table
from harness.data.corpus.table import Row
from harness.errors import StageError
from harness.stage import Count, Job, stage

_SENTENCE_END = re.compile(r"[.!?](?=\s|\Z)|[。！？।॥۔؟።]")
"""Full stop, question or exclamation mark with white space behind, or of a script that needs none. 3.5 is no
end; "e.g. " is one: that costs nothing here, for a chunk may end there as well as anywhere.
"""


@stage(version=1)
def chunk(corpus: Corpus, *, characters: Count = 500, longest: Count | None = 2000, job: Job) -> Corpus:
    """Join the rows of each document and cut them into chunks of whole sentences.

    A chunk has at least ``characters`` characters and goes on to the next end of a sentence; what is left at
    a document's end is a chunk too, however short. Chunks joined are the rows joined, up to white space:
    nothing is lost, doubled or mended. They are of one document each, and begin on its ``page``.

    Args:
        corpus: rows of a document are joined in their order, with a space.
        characters: the least length.
        longest: a chunk without an end of a sentence up to here is cut at the last white space before, or
            where there is none, exactly here. 2000 are about 500 tokens of English. Null: never cut.

    Raises:
        StageError: no text; ``longest`` below ``characters``.
    """
    if longest is not None and longest < characters:
        raise StageError(f"longest: {longest} is less than characters: {characters}")
    read = table.read(corpus.path)
    documents: dict[str, list[Row]] = {}
    for row in read:
        if row.text.strip():
            documents.setdefault(row.document, []).append(row)
    if not documents:
        raise StageError(f"corpus: no text in its {len(read)} rows")
    rows: list[Row] = []
    cut = shorter = endless = 0
    for done, members in enumerate(documents.values(), start=1):
        chunks = list(_chunks(members, characters, longest))
        rows += [Row(piece.text, members[0].document, piece.page, i) for i, piece in enumerate(chunks)]
        cut += sum(piece.cut for piece in chunks)
        shorter += sum(len(piece.text) < characters for piece in chunks)
        endless += not any(_SENTENCE_END.search(row.text) for row in members)
        job.progress(done, len(documents), "documents")
    folder = job.folder()
    table.write(folder, rows)
    facts = {
        **table.count(rows),
        "empty": len(read) - sum(map(len, documents.values())),
        "shorter": shorter,
        "cut": cut,
        "without_full_stop": endless,
    }
    return Corpus(folder, facts)


class _Chunk(NamedTuple):
    text: str
    page: int
    cut: bool
    """Not at the end of a sentence."""


def _chunks(rows: Sequence[Row], characters: int, longest: int | None) -> Iterator[_Chunk]:
    """The chunks of one document; there is at least one."""
    text = " ".join(row.text for row in rows)
    begins = list(accumulate((len(row.text) + 1 for row in rows), initial=0))
    # Looked up, not searched from each chunk on: megabytes without a full stop would be read once per chunk.
    sentences = [found.end() for found in _SENTENCE_END.finditer(text)]
    start, length = _next_word(text, 0), len(text.rstrip())
    while start < length:
        index = bisect_left(sentences, start + characters)
        end = sentences[index] if index < len(sentences) else length
        cut = longest is not None and end - start > longest
        if longest is not None and cut:
            end = _last_space(text, start + characters, start + longest)
        page = rows[bisect_right(begins, start) - 1].page
        yield _Chunk(text[start:end].rstrip(), page, cut)
        start = _next_word(text, end)


def _last_space(text: str, least: int, most: int) -> int:
    """The last place where a word ends, from ``least`` to ``most``; ``most`` where there is none."""
    for place in range(most, least - 1, -1):
        if text[place].isspace() and not text[place - 1].isspace():
            return place
    return most


def _next_word(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place
