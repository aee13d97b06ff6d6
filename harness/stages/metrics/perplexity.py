"""Perplexity and bits per byte from the stored likelihoods of texts, with the conditions for comparing them.

There are two metrics, because they differ in what they can be compared with. Perplexity is per token, so it depends on
the tokenizer: its scores have the number of tokens as a condition. Bits per byte divides by the bytes of the text,
which are the same for every tokenizer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.artifact import Json, Likelihoods
from harness.compute.influence import ratio
from harness.errors import StageError
from harness.stage import Items, Lower, Scores, stage

if TYPE_CHECKING:
    from harness.formats.likelihoods import Likelihood

LISTED = 50
"""Number of documents in the details: those with the most tokens."""
LARGEST_NLL = 700.0
"""Largest nats per token; float64 overflows in the exponential of much more."""


@dataclass(frozen=True, kw_only=True)
class PerplexityScores(Scores):
    """Scores in which every token has the same weight, whatever text it is in."""

    perplexity: Lower
    """exp(nll)."""
    nll: Lower
    """Mean negative log-likelihood in nats per token."""
    bits_per_byte: Lower
    """The same likelihood in bits per byte of the text (UTF-8), for the same tokens as the perplexity. To compare
    tokenizers use ``perplexity.per_byte``.
    """


@dataclass(frozen=True, kw_only=True)
class PerByteScores(Scores):
    """Scores to compare tokenizers that can represent the whole text; text unknown to a tokenizer costs few bits."""

    bits_per_byte: Lower
    """Negative log-likelihood in bits per byte of the text (UTF-8)."""


@stage(version=1)
def scores(likelihoods: Likelihoods) -> PerplexityScores:
    """Perplexity, mean negative log-likelihood and bits per byte, clustered by document.

    The fields are ratios of sums, so they are not means of per-text values. The rows of the values per token and per
    byte are those of a ratio (``influence.ratio``): how far each text moves it. The difference of two models' rows is
    the row of the difference, so texts can be paired. The perplexity's rows are the delta method's,
    exp(R) (1 + u_i - R) for the rows u of R. Clusters are documents, because chunks of one are not independent.

    The details have the metric's full name, perplexity and tokens of the longest documents, and the 90 % interval of
    the perplexity over documents like these: exp of the t interval of R.

    Raises:
        StageError: no texts, one without tokens, a likelihood that is not finite, or too small for a perplexity.
    """
    rows = _read(likelihoods)
    documents = [row.document for row in rows]
    nll, column = ratio([row.nll for row in rows], [row.tokens for row in rows], documents)
    bits, bits_column = _per_byte(rows)
    perplexity = _exp(nll, "all texts")
    columns = {
        "perplexity": [perplexity * (1 + value - nll) for value in column],
        "nll": column,
        "bits_per_byte": bits_column,
    }
    return PerplexityScores(
        perplexity=perplexity,
        nll=nll,
        bits_per_byte=bits,
        items=Items([row.item for row in rows], columns, documents),
        conditions={"texts": len(rows), "tokens": sum(row.tokens for row in rows)},
        details={
            "name": f"ppl[{likelihoods.facts['protocol']}]",
            "interval_90": _interval(column, documents),
            "documents": len(set(documents)),
            "longest_documents": _per_document(rows),
        },
    )


@stage(version=1)
def per_byte(likelihoods: Likelihoods) -> PerByteScores:
    """Bits per byte only, to compare models with different tokenizers; clustered as in ``scores``.

    Raises:
        StageError: no texts, one without tokens, a likelihood that is not finite, or no bytes.
    """
    rows = _read(likelihoods)
    bits, column = _per_byte(rows)
    return PerByteScores(
        bits_per_byte=bits,
        items=Items([row.item for row in rows], {"bits_per_byte": column}, [row.document for row in rows]),
        conditions={"texts": len(rows), "bytes": sum(row.bytes for row in rows)},
        details={
            "name": f"bits per byte[{likelihoods.facts['protocol']}]",
            "unknown_tokens": likelihoods.facts["unknown_tokens"],
        },
    )


def _per_byte(rows: Sequence[Likelihood]) -> tuple[float, list[float]]:
    if not any(row.bytes for row in rows):
        raise StageError("no bytes were predicted, so that there are no bits per byte; set bos: text")
    bits = [row.nll / math.log(2) for row in rows]
    return ratio(bits, [row.bytes for row in rows], [row.document for row in rows])


def _interval(column: Sequence[float], documents: Sequence[str]) -> list[Json] | None:
    """Lower and upper end; None with a single document, or if the upper end overflows."""
    from harness.compare.stats import clustered

    if len(set(documents)) < 2:
        return None
    low, high = clustered(column, documents).interval()
    return [math.exp(low), math.exp(high)] if high <= LARGEST_NLL else None


def _per_document(rows: Sequence[Likelihood]) -> list[Json]:
    """The longest documents by name: tokens and perplexity."""
    tokens: dict[str, int] = {}
    nll: dict[str, float] = {}
    for row in rows:
        tokens[row.document] = tokens.get(row.document, 0) + row.tokens
        nll[row.document] = nll.get(row.document, 0.0) + row.nll
    longest = sorted(tokens, key=lambda name: (-tokens[name], name))[:LISTED]
    return [
        {"document": name, "tokens": tokens[name], "perplexity": _exp(nll[name] / tokens[name], name)}
        for name in sorted(longest)
    ]


def _exp(nll: float, what: str) -> float:
    if nll > LARGEST_NLL:
        raise StageError(
            f"{what}: {nll:.4g} nats per token, of which there is no exponential; the model is broken"
        )
    return math.exp(nll)


def _read(likelihoods: Likelihoods) -> list[Likelihood]:
    from harness.formats.likelihoods import read

    rows = read(likelihoods.path)
    if not rows:
        raise StageError("no likelihoods to score")
    for row in rows:
        if row.tokens < 1 or row.bytes < 0:
            raise StageError(
                f"{row.item}: {row.tokens} tokens and {row.bytes} bytes; expected at least 1 and 0"
            )
        if not math.isfinite(row.nll):
            raise StageError(f"{row.item}: a likelihood that is not a finite number")
    return rows
