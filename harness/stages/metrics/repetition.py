"""Repetition in generated texts: a degenerate model repeats the same text without end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.artifact import Json, Texts
from harness.compute.influence import jackknife
from harness.compute.influence import rows as pseudo_values
from harness.errors import StageError
from harness.formats.strict_json import objects
from harness.stage import Count, HigherShare, Items, LowerShare, Scores, stage

METADATA = "metadata.jsonl"
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class RepetitionScores(Scores):
    """Both shares are in [0, 1]. Neither measures the quality of a text: noise does not repeat itself."""

    rate: LowerShare
    """Mean over the texts of 1 - (different n-grams) / (n-grams), seq-rep-n of Welleck et al. 2020."""
    distinct: HigherShare
    """Different n-grams of all texts together / n-grams, distinct-n of Li et al. 2016. Texts that resemble each other
    lower it too. It falls with the number and length of texts.
    """
    words: float
    """Mean words per text."""


@stage(version=1)
def rate(texts: Texts, *, n: Count = 4) -> RepetitionScores:
    """Repeated n-grams of words, within texts and between them.

    Words are separated by white space, and are not tokens as in the papers, so models with different tokenizers can be
    compared. Prompts do not count. A text of fewer than ``n`` words has rate 1, the worst, so that a model that writes
    nothing does not look improved. The details give the number of such texts; if there are no others, ``distinct`` is
    0. The rows of ``distinct`` are the jackknife's: what it loses without the text.

    Args:
        texts: from ``language_model.generate``.
        n: length of the compared n-grams, in words.

    Raises:
        StageError: no texts.
    """
    rows = [row for _, row in objects(texts.path / METADATA)]
    if not rows:
        raise StageError("no texts to look at")
    grams = [_grams(str(row["text"]).split(), n) for row in rows]
    rates = [1 - len(counted) / counted.total() if counted else 1.0 for counted in grams]
    together = sum(grams, Counter())
    distinct = len(together) / together.total() if together else 0.0
    columns = {"rate": rates, "words": [float(len(str(row["text"]).split())) for row in rows]}
    if len(rows) > 1:
        columns["distinct"] = pseudo_values(distinct, jackknife(without_each(grams)))
    return RepetitionScores(
        rate=sum(rates) / len(rates),
        distinct=distinct,
        words=sum(columns["words"]) / len(rows),
        items=Items(_names(rows), columns),
        conditions={"n": len(rows)},
        details={
            "too_short": sum(not counted for counted in grams),
            "texts": [{"prompt": row["prompt"], "text": row["text"]} for row in rows[:_SHOWN]],
        },
    )


def without_each(grams: Sequence[Counter[tuple[str, ...]]]) -> list[float]:
    """Different n-grams / n-grams of all texts but one, for each of them; 0 if the others have no n-grams."""
    together = sum(grams, Counter())
    left = []
    for counted in grams:
        total = together.total() - counted.total()
        lost = sum(times == together[gram] for gram, times in counted.items())
        left.append((len(together) - lost) / total if total else 0.0)
    return left


def _grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _names(rows: Sequence[dict[str, Json]]) -> list[str]:
    """One name per text, the same in every run: its prompt, and its number among the texts of this prompt."""
    before: Counter[str] = Counter()
    names = []
    for row in rows:
        prompt = str(row["prompt"])
        before[prompt] += 1
        names.append(f"{prompt} #{before[prompt]}")
    return names
