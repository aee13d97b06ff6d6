"""Text to train and score language models on: reading, cutting into chunks, holding out.

Nothing is skipped silently: unreadable, empty and repeated texts are named or counted in the facts.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Literal, NamedTuple

from harness.artifact import Corpus, Json
from harness.compute.seeds import drawn
from harness.errors import StageError
from harness.formats import corpus as table
from harness.formats.corpus import Row
from harness.stage import Count, Fraction, Job, Seed, stage
from harness.stages.data.corpus.pdf import read_pdfs
from harness.stages.data.corpus.texts import docstrings, read

__all__ = ["chunk", "docstrings", "read", "read_pdfs", "split"]


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


class Split(NamedTuple):
    train: Corpus
    held_out: Corpus


@stage(version=1)
def split(
    corpus: Corpus,
    *,
    held_out: Count | Fraction,
    by: Literal["document", "row"] = "document",
    overlap: Count = 13,
    seed: Seed = 0,
    job: Job,
) -> Split:
    """Hold out a random part of a corpus, and count its n-grams that also occur in the rest.

    By document, no document is on both sides, so a low perplexity cannot come from having seen the document. By row,
    as in much of the literature, the chunks before and after a held-out one are trained on. They share its names, its
    subject and, where a page repeats itself, its words, so the score is too good.

    Args:
        corpus: rows keep their order on both sides.
        held_out: how many rows, or which share of them (0 to 1). By document the number is matched as closely as whole
            documents allow: documents are drawn one after the other, and one that would exceed it is skipped.
        by: the unit that is drawn.
        overlap: words in the n-grams that are counted (``facts["overlap"]``); it changes no row.
        seed: decides which are drawn. Adding or removing a document does not change the drawing order of the others.

    Raises:
        StageError: a side would be empty.
    """
    rows = table.read(corpus.path)
    wanted = held_out if isinstance(held_out, int) else round(held_out * len(rows))
    names = [row.document if by == "document" else f"{row.document}\n{row.row}" for row in rows]
    sizes = Counter(names)
    if not 0 < wanted < len(rows):
        raise StageError(f"held_out: {wanted} of {len(rows)} rows leaves one side empty")
    if len(sizes) < 2:
        raise StageError(f"by: document cannot divide {len(rows)} rows of one document; by: row can")
    taken = _taken(sizes, wanted, seed)
    sides: dict[str, list[Row]] = {"train": [], "held_out": []}
    for name, row in zip(names, rows, strict=True):
        sides["held_out" if name in taken else "train"].append(row)
    texts = {side: [row.text for row in members] for side, members in sides.items()}
    shared = count_overlap(texts["train"], texts["held_out"], overlap).to_json()
    return Split(**{side: _written(members, len(rows), shared, side, job) for side, members in sides.items()})


def _taken(sizes: Mapping[str, int], wanted: int, seed: int) -> set[str]:
    """Names whose sizes add up to nearly ``wanted``: at least one, and not all."""
    taken, count = set[str](), 0
    order = drawn(sizes, seed)
    for name in order:
        if count + sizes[name] <= wanted:
            taken.add(name)
            count += sizes[name]
    rest = [name for name in order if name not in taken]
    smallest = min(rest, key=lambda name: sizes[name])
    brings_closer = len(rest) > 1 and abs(count + sizes[smallest] - wanted) < wanted - count
    return taken | {smallest} if brings_closer or not taken else taken


def _written(rows: Sequence[Row], total: int, shared: Json, side: str, job: Job) -> Corpus:
    folder = job.folder(side)
    table.write(folder, rows)
    return Corpus(folder, {**table.count(rows), "share": len(rows) / total, "overlap": shared})


_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Overlap:
    """Counts of the n-grams in held-out rows, and of those that also occur in a training row."""

    n: int
    ngrams: int
    """n-grams in the held-out rows, repeats included. A row of fewer than n words has none."""
    shared: int
    rows: int
    """Held-out rows with at least one shared n-gram."""

    def to_json(self) -> dict[str, Json]:
        """For an artifact's facts, with the share of n-grams that are shared."""
        return {**asdict(self), "share": self.shared / self.ngrams if self.ngrams else 0.0}


def count_overlap(train: Iterable[str], held_out: Sequence[str], n: int) -> Overlap:
    """Count the n-grams of lower-cased words that held-out rows share with training rows.

    Brown et al. (2020, appendix C) use thirteen words as the sign of contamination. In a script without spaces a
    word is all text between two punctuation marks, so less overlap is found.

    Args:
        train: texts, read once; memory grows with the held-out ones only.
        held_out: texts.
        n: words in an n-gram.
    """
    counts = by_row(train, held_out, n)
    return Overlap(
        n, sum(total for total, _ in counts), sum(s for _, s in counts), sum(s > 0 for _, s in counts)
    )


def by_row(train: Iterable[str], held_out: Sequence[str], n: int) -> list[tuple[int, int]]:
    """For each held-out row, its number of n-grams and how many of them are shared, counted as in ``count_overlap``."""
    wanted = {gram for text in held_out for gram in _ngrams(text, n)}
    found = {gram for text in train for gram in _ngrams(text, n) if gram in wanted}
    hits = [[gram in found for gram in _ngrams(text, n)] for text in held_out]
    return [(len(of_row), sum(of_row)) for of_row in hits]


def _ngrams(text: str, n: int) -> Iterator[str]:
    words = _WORD.findall(text.lower())
    return (" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
