"""How much of a held-out corpus stands in the training corpus too, where others divided the two."""

from __future__ import annotations

from dataclasses import dataclass

from harness.artifact import Corpus
from harness.errors import StageError
from harness.stage import Count, Lower, Scores, stage


@dataclass(frozen=True, kw_only=True)
class OverlapScores(Scores):
    """Both are shares in [0, 1]; what is not 0 may be known by heart."""

    share: Lower
    """n-grams of the held-out rows that occur in a row for training / n-grams of the held-out rows."""
    rows: Lower
    """Held-out rows with at least one such n-gram / held-out rows."""


@stage(version=1)
def ngrams(train: Corpus, held_out: Corpus, *, n: Count = 13) -> OverlapScores:
    """Count the n-grams of words that a held-out corpus shares with a training corpus.

    ``corpus.split`` has the same count among its facts; this is for halves that come divided.

    Args:
        train: what a model learns.
        held_out: what it is asked about.
        n: words in a row; thirteen are what Brown et al. (2020, appendix C) call contamination.

    Raises:
        StageError: a corpus without rows.
    """
    from harness.data.corpus import table
    from harness.data.corpus.overlap import overlap

    learnt, asked = ([row.text for row in table.read(corpus.path)] for corpus in (train, held_out))
    if not learnt or not asked:
        raise StageError(f"{'held_out' if learnt else 'train'}: no rows to compare")
    found = overlap(learnt, asked, n)
    return OverlapScores(
        share=found.shared / found.ngrams if found.ngrams else 0.0,
        rows=found.rows / len(asked),
        conditions={"rows": len(asked)},
        details={"shared": found.shared, "ngrams": found.ngrams, "rows": found.rows},
    )
