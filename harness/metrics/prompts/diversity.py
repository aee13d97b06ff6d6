"""How varied the prompts of each class are: prompts that say one thing make images of one thing."""

from __future__ import annotations

from dataclasses import dataclass

from harness.artifact import Prompts, TextEmbedder
from harness.errors import StageError
from harness.stage import Count, Higher, Items, Job, Lower, Scores, stage
from harness.systems.embeddings.software import EMBEDDER


@dataclass(frozen=True, kw_only=True)
class VarietyScores(Scores):
    """Every field is a mean over the classes. All three move with how many prompts a class has, and none says that a
    prompt is any good: noise is varied.
    """

    distinct_n: Higher
    """Different n-grams of a class's prompts / n-grams, in [0, 1] (Li et al. 2016)."""
    self_bleu: Lower
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

    Args:
        prompts: at least two of each class.
        embedder: makes the vectors that the Vendi score compares.
        n: words in a row of ``distinct_n``.
        bleu: the longest n-grams of ``self_bleu``.
        job: the runner's side.

    Raises:
        StageError: no prompts, a class with a single one, or one in which no prompt has ``n`` words.
    """
    from harness.metrics.prompts.ngrams import distinct, self_bleu
    from harness.metrics.prompts.vendi import vendi
    from harness.metrics.prompts.words import words
    from harness.systems.embeddings.opening import open_embedder
    from harness.systems.prompt_writer.writing.table import read

    by_class: dict[str, list[str]] = {}
    for prompt in read(prompts):
        by_class.setdefault(prompt.label, []).append(prompt.text)
    if not by_class:
        raise StageError("no prompts to compare")
    embedding = open_embedder(embedder.path, job.device)
    columns: dict[str, list[float]] = {"distinct_n": [], "self_bleu": [], "vendi": []}
    for label, texts in by_class.items():
        if len(texts) < 2:
            raise StageError(f"{label}: a single prompt; variety takes at least two")
        spoken = [words(text) for text in texts]
        if all(len(said) < n for said in spoken):
            raise StageError(f"{label}: none of {len(texts)} prompts has {n} words")
        columns["distinct_n"].append(distinct(spoken, n))
        columns["self_bleu"].append(sum(self_bleu(spoken, bleu)) / len(texts))
        columns["vendi"].append(vendi(embedding.embed(texts)))
    sizes = {label: len(texts) for label, texts in by_class.items()}
    means = {name: sum(column) / len(column) for name, column in columns.items()}
    return VarietyScores(
        distinct_n=means["distinct_n"],
        self_bleu=means["self_bleu"],
        vendi=means["vendi"],
        items=Items(list(by_class), columns),
        conditions={"n": sum(sizes.values()), "per_class": sizes, "vendi_by": embedding.name},
        details={
            "per_class": [
                {"class": label, "n": size, **{name: column[i] for name, column in columns.items()}}
                for i, (label, size) in enumerate(sizes.items())
            ]
        },
    )
