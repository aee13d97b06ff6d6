"""The n-grams that a held-out text shares with the training text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from harness.artifact import Json

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


def overlap(train: Iterable[str], held_out: Sequence[str], n: int) -> Overlap:
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
    """For each held-out row, its number of n-grams and how many of them are shared, counted as in ``overlap``."""
    wanted = {gram for text in held_out for gram in _ngrams(text, n)}
    found = {gram for text in train for gram in _ngrams(text, n) if gram in wanted}
    hits = [[gram in found for gram in _ngrams(text, n)] for text in held_out]
    return [(len(of_row), sum(of_row)) for of_row in hits]


def _ngrams(text: str, n: int) -> Iterator[str]:
    words = _WORD.findall(text.lower())
    return (" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
