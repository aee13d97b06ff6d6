"""How varied the prompts of each class are: prompts that say one thing make images of one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.artifact import Prompts, TextEmbedder
from harness.errors import StageError
from harness.metrics.influence import jackknife, rows
from harness.stage import Count, Higher, HigherShare, Items, Job, LowerShare, Scores, stage
from harness.systems.embeddings.software import EMBEDDER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.systems.prompt_writer.writing.table import Prompt

FIELDS = ("distinct_n", "self_bleu", "vendi")
LEAST = 3
"""Prompts of a class: without one of them, two are left to compare."""


@dataclass(frozen=True, kw_only=True)
class VarietyScores(Scores):
    """Every field is a mean over the classes. All three move with how many prompts a class has, and none says that a
    prompt is any good: noise is varied.
    """

    distinct_n: HigherShare
    """Different n-grams of a class's prompts / n-grams, in [0, 1] (Li et al. 2016)."""
    self_bleu: LowerShare
    """Mean BLEU of a prompt with the others of its class as references, in [0, 1] (Zhu et al. 2018)."""
    vendi: Higher
    """How many different prompts there are in effect, from 1 to as many as there are (Friedman and Dieng 2022)."""


@stage(version=1, software=EMBEDDER)
def variety(
    prompts: Prompts, embedder: TextEmbedder, *, n: Count = 2, bleu: Count = 4, job: Job
) -> VarietyScores:
    """Distinct-n, self-BLEU and Vendi score, within each class.

    N-grams are of words in small letters, without marks. The Vendi score is exp of the entropy of the eigenvalues of
    K / N, where K holds the cosines of the embedded prompts; a prompt of which the embedder knows no word is like
    itself only.

    The rows behind the fields are the jackknife's, over prompts: what its class loses without the prompt. Classes are
    what was asked for and no sample; prompts within one are. Where a class has two prompts only, nothing is left to
    compare without one of them, and there are no rows.

    Args:
        prompts: at least two of each class.
        embedder: makes the vectors that the Vendi score compares.
        n: words in a row of ``distinct_n``.
        bleu: the longest n-grams of ``self_bleu``.
        job: the runner's side.

    Raises:
        StageError: no prompts, a class with a single one, or one in which no prompt has ``n`` words.
    """
    from harness.metrics.prompts.words import words
    from harness.systems.embeddings.opening import open_embedder
    from harness.systems.prompt_writer.writing.table import read

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
    """The prompts' rows; None where a class is too small for them."""
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
    """Their words."""
    vectors: NDArray[np.float32]
    n: int
    bleu: int

    def values(self, without: int | None = None) -> dict[str, float]:
        """The fields of the class, of all its prompts or without one of them."""
        from harness.metrics.prompts.ngrams import distinct, self_bleu
        from harness.metrics.prompts.vendi import vendi

        kept = [i for i in range(len(self.spoken)) if i != without]
        spoken = [self.spoken[i] for i in kept]
        return {
            "distinct_n": distinct(spoken, self.n),
            "self_bleu": sum(self_bleu(spoken, self.bleu)) / len(spoken),
            "vendi": vendi(self.vectors[kept]),
        }
