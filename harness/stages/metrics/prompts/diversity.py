"""How varied the prompts of each class are: repetition of n-grams, and the number of different prompts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.artifact import Prompts, TextEmbedder
from harness.compute.influence import jackknife, rows
from harness.errors import StageError
from harness.formats.embedder import EMBEDDER
from harness.stage import Count, Higher, HigherShare, Items, Job, LowerShare, Scores, stage
from harness.stages.metrics.prompts.words import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.formats.prompts import Prompt

Grams = Counter[tuple[str, ...]]


def distinct(texts: Sequence[Sequence[str]], n: int) -> float:
    """Different n-grams of all texts together / n-grams, distinct-n of Li et al. 2016; 0 if there are no n-grams."""
    together = sum((_grams(text, n) for text in texts), Counter())
    return len(together) / together.total() if together else 0.0


def self_bleu(texts: Sequence[Sequence[str]], n: int = 4) -> list[float]:
    """For each text its BLEU with all others as references (Zhu et al. 2018, "Texygen"), in [0, 1].

    It equals sacrebleu's sentence BLEU with its defaults for sentences (exponential smoothing; orders that a text is
    too short for are left out), but its time is proportional to the number of words: the largest count of an n-gram in
    any *other* text follows from the two largest counts.

    Args:
        texts: at least two, as words.
        n: length of the longest n-grams.
    """
    counts = [[_grams(text, order) for text in texts] for order in range(1, n + 1)]
    largest = [_two_largest(of_order) for of_order in counts]
    scores = []
    for i, text in enumerate(texts):
        precisions: list[float] = []
        smooth = 1.0
        for own, most in zip((of_order[i] for of_order in counts), largest, strict=True):
            if not own:
                break
            hits = sum(min(times, _of_others(most[gram], times)) for gram, times in own.items())
            if hits == 0 and not precisions:
                break  # no word in common, a case that smoothing is not meant for
            if hits == 0:
                smooth *= 2
            precisions.append(hits / own.total() if hits else 1 / (smooth * own.total()))
        scores.append(_bleu(precisions, len(text), [len(t) for j, t in enumerate(texts) if j != i]))
    return scores


def _grams(text: Sequence[str], n: int) -> Grams:
    return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))


def _two_largest(counts: Sequence[Grams]) -> dict[tuple[str, ...], tuple[int, int]]:
    """For each n-gram its largest and second largest count in a text."""
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    for of_text in counts:
        for gram, times in of_text.items():
            first, second = found.get(gram, (0, 0))
            found[gram] = (max(first, times), max(second, min(first, times)))
    return found


def _of_others(most: tuple[int, int], own: int) -> int:
    """The largest count in another text: the second largest overall if the largest is this text's own."""
    return most[1] if own == most[0] else most[0]


def _bleu(precisions: Sequence[float], length: int, others: Sequence[int]) -> float:
    """Geometric mean times brevity penalty, by the nearest length, of two the shorter; 0 without precisions."""
    if not precisions:
        return 0.0
    reference = min(others, key=lambda other: (abs(other - length), other))
    brevity = 1.0 if length >= reference else math.exp(1 - reference / length)
    return brevity * math.exp(sum(map(math.log, precisions)) / len(precisions))


def vendi(vectors: NDArray[np.float32]) -> float:
    """Exp of the Shannon entropy of the eigenvalues of K / N, for the cosines K (Friedman and Dieng 2022).

    Args:
        vectors: float32 (N, D), rows of norm 1; a row of zeros is an item unlike any other.

    Returns:
        In [1, N]: 1 if all rows are equal, N if all rows are orthogonal.
    """
    import numpy as np

    rows = vectors.astype(np.float64)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, 1)
    shares = np.linalg.eigvalsh(cosines / len(rows))
    shares = shares[shares > 1e-12]  # the rest is rounding error, and 0 log 0 is 0
    return float(np.exp(-(shares * np.log(shares)).sum()))


FIELDS = ("distinct_n", "self_bleu", "vendi")
LEAST = 3
"""Least number of prompts in a class: without one of them, two are left to compare."""


@dataclass(frozen=True, kw_only=True)
class VarietyScores(Scores):
    """Means over the classes. All three depend on the number of prompts per class, and none measures the quality of a
    prompt: noise is varied too.
    """

    distinct_n: HigherShare
    """Different n-grams of a class's prompts / n-grams, in [0, 1] (Li et al. 2016)."""
    self_bleu: LowerShare
    """Mean BLEU of a prompt with the others of its class as references, in [0, 1] (Zhu et al. 2018)."""
    vendi: Higher
    """Effective number of different prompts, from 1 to the number of prompts (Friedman and Dieng 2022)."""


@stage(version=1, software=EMBEDDER)
def variety(
    prompts: Prompts, embedder: TextEmbedder, *, n: Count = 2, bleu: Count = 4, job: Job
) -> VarietyScores:
    """Distinct-n, self-BLEU and Vendi score, within each class.

    N-grams are of lower-cased words, without punctuation. The Vendi score is exp of the entropy of the eigenvalues of
    K / N, where K holds the cosines of the embedded prompts. A prompt of which the embedder knows no word is similar to
    itself only.

    The rows behind the fields are the jackknife's, over prompts: what its class loses without the prompt. The classes
    are fixed, not a sample; the prompts within one are a sample. If a class has only two prompts, nothing is left to
    compare without one of them, and there are no rows.

    Args:
        prompts: at least two of each class.
        embedder: makes the vectors that the Vendi score compares.
        n: length of the n-grams of ``distinct_n``, in words.
        bleu: length of the longest n-grams of ``self_bleu``.
        job: gives the device.

    Raises:
        StageError: no prompts, a class with a single one, or one in which no prompt has ``n`` words.
    """
    from harness.formats.prompts import read
    from harness.stages.systems.embeddings import open_embedder

    by_class: dict[str, list[Prompt]] = {}
    for prompt in read(prompts):
        by_class.setdefault(prompt.label, []).append(prompt)
    if not by_class:
        raise StageError("no prompts to compare")
    embedding = open_embedder(embedder.path, job.device)
    compared: dict[str, Compared] = {}
    for label, members in by_class.items():
        texts = [member.text for member in members]
        if len(texts) < 2:
            raise StageError(f"{label}: a single prompt; variety takes at least two")
        spoken = [words(text) for text in texts]
        if all(len(said) < n for said in spoken):
            raise StageError(f"{label}: none of {len(texts)} prompts has {n} words")
        compared[label] = Compared(spoken, embedding.embed(texts), n, bleu)
    values = {label: of_class.values() for label, of_class in compared.items()}
    means = {name: sum(of_class[name] for of_class in values.values()) / len(values) for name in FIELDS}
    sizes = {label: len(members) for label, members in by_class.items()}
    return VarietyScores(
        distinct_n=means["distinct_n"],
        self_bleu=means["self_bleu"],
        vendi=means["vendi"],
        items=_items(by_class, compared, means),
        conditions={"n": sum(sizes.values()), "per_class": sizes, "vendi_by": embedding.name},
        details={
            "per_class": [
                {"class": label, "n": sizes[label], **of_class} for label, of_class in values.items()
            ]
        },
    )


def _items(
    by_class: Mapping[str, Sequence[Prompt]], compared: Mapping[str, Compared], means: Mapping[str, float]
) -> Items | None:
    """The prompts' rows; None if a class is too small for them."""
    if min(map(len, by_class.values())) < LEAST:
        return None
    without = [[of_class.values(i) for i in range(len(of_class.spoken))] for of_class in compared.values()]
    columns = {
        name: rows(
            means[name],
            *([i / len(without) for i in jackknife([w[name] for w in of_class])] for of_class in without),
        )
        for name in FIELDS
    }
    return Items([prompt.name for members in by_class.values() for prompt in members], columns)


@dataclass(frozen=True, eq=False)
class Compared:
    """The prompts of one class."""

    spoken: Sequence[Sequence[str]]
    """The words of each prompt."""
    vectors: NDArray[np.float32]
    n: int
    bleu: int

    def values(self, without: int | None = None) -> dict[str, float]:
        """The fields of the class, for all its prompts or without one of them."""
        kept = [i for i in range(len(self.spoken)) if i != without]
        spoken = [self.spoken[i] for i in kept]
        return {
            "distinct_n": distinct(spoken, self.n),
            "self_bleu": sum(self_bleu(spoken, self.bleu)) / len(spoken),
            "vendi": vendi(self.vectors[kept]),
        }
