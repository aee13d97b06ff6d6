"""The share of a held-out corpus that is also in the training corpus, for corpora that were split elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from harness.artifact import Corpus
from harness.compute.influence import ratio
from harness.errors import StageError
from harness.stage import Count, Items, LowerShare, Scores, stage


@dataclass(frozen=True, kw_only=True)
class OverlapScores(Scores):
    """Both scores are shares in [0, 1]; text that overlaps may have been memorised."""

    share: LowerShare
    """n-grams of the held-out rows that occur in a training row / n-grams of the held-out rows."""
    rows: LowerShare
    """Held-out rows with at least one such n-gram / held-out rows."""


@stage(version=1)
def ngrams(train: Corpus, held_out: Corpus, *, n: Count = 13) -> OverlapScores:
    """Count the n-grams of words that a held-out corpus shares with a training corpus.

    ``corpus.split`` has the same count among its facts; this stage is for corpora that were split elsewhere. An
    interval is over held-out rows, clustered by document. The share is a ratio, with the rows of one
    (``influence.ratio``).

    Args:
        train: the corpus that a model is trained on.
        held_out: the corpus that it is scored on.
        n: words in an n-gram; Brown et al. (2020, appendix C) use thirteen as the sign of contamination.

    Raises:
        StageError: a corpus without rows.
    """
    from harness.formats.corpus import read
    from harness.stages.data.corpus import by_row

    learnt, asked = (read(corpus.path) for corpus in (train, held_out))
    if not learnt or not asked:
        raise StageError(f"{'held_out' if learnt else 'train'}: no rows to compare")
    counts = by_row([row.text for row in learnt], [row.text for row in asked], n)
    totals, shared = [total for total, _ in counts], [found for _, found in counts]
    documents = [row.document for row in asked]
    share, column = ratio(shared, totals, documents) if any(totals) else (0.0, [0.0] * len(asked))
    hit = [float(found > 0) for found in shared]
    return OverlapScores(
        share=share,
        rows=sum(hit) / len(asked),
        items=Items(
            [f"{row.document} #{row.row}" for row in asked], {"share": column, "rows": hit}, documents
        ),
        steps={"share": 1 / max(1, sum(totals)), "rows": 1 / len(asked)},
        conditions={"rows": len(asked)},
        details={"shared": sum(shared), "ngrams": sum(totals), "rows": int(sum(hit))},
    )
