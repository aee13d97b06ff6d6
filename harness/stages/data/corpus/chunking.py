"""Cut texts into chunks that end at a sentence end."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from harness.artifact import Corpus
from harness.errors import StageError
from harness.formats import corpus as table
from harness.formats.corpus import Row
from harness.stage import Count, Job, stage

_SENTENCE_END = re.compile(r"[.!?](?=\s|\Z)|[。！？।॥۔؟።]")
"""A full stop, question mark or exclamation mark followed by white space, or the sentence end of a script that
needs no white space. 3.5 is not an end. "e.g. " counts as one: that costs nothing here, because a chunk may end there
as well as anywhere else.
"""


@stage(version=1)
def chunk(corpus: Corpus, *, characters: Count = 500, longest: Count | None = 2000, job: Job) -> Corpus:
    """Join the rows of each document and cut them into chunks of whole sentences.

    A chunk has at least ``characters`` characters and continues to the next sentence end. The rest of a document
    is a chunk too, however short. The chunks joined equal the rows joined, up to white space: nothing is lost,
    repeated or corrected. A chunk belongs to one document and has the ``page`` on which it begins.

    Args:
        corpus: rows of a document are joined in their order, with a space.
        characters: the least length.
        longest: a chunk with no sentence end up to this length is cut at the last white space before it or, if
            there is none, exactly at this length. 2000 characters are about 500 tokens of English. Null: never cut.

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
    """Whether the chunk ends inside a sentence."""


def _chunks(rows: Sequence[Row], characters: int, longest: int | None) -> Iterator[_Chunk]:
    """The chunks of one document; there is at least one."""
    text = " ".join(row.text for row in rows)
    begins = list(accumulate((len(row.text) + 1 for row in rows), initial=0))
    # All ends are found once. Searching from each chunk on would read megabytes without a full stop once per chunk.
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
    """The last end of a word between ``least`` and ``most``; ``most`` if there is none."""
    for place in range(most, least - 1, -1):
        if text[place].isspace() and not text[place - 1].isspace():
            return place
    return most


def _next_word(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place
