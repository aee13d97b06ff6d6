"""How much prompts repeat one another, by their n-grams of words; pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

Grams = Counter[tuple[str, ...]]


def distinct(texts: Sequence[Sequence[str]], n: int) -> float:
    """Different n-grams of all texts together / n-grams, distinct-n of Li et al. 2016; 0 where there are none."""
    together = sum((_grams(text, n) for text in texts), Counter())
    return len(together) / together.total() if together else 0.0


def self_bleu(texts: Sequence[Sequence[str]], n: int = 4) -> list[float]:
    """For each text its BLEU with all others as references (Zhu et al. 2018, "Texygen"), in [0, 1].

    It is sacrebleu's sentence BLEU with its defaults for sentences (exponential smoothing, orders that a text is too
    short for left out), but takes time in proportion to the words: the most that any *other* text has of an n-gram
    follows from the two largest counts.

    Args:
        texts: at least two, as words.
        n: the longest n-grams.
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
                break  # not a word in common, which smoothing is not for
            if hits == 0:
                smooth *= 2
            precisions.append(hits / own.total() if hits else 1 / (smooth * own.total()))
        scores.append(_bleu(precisions, len(text), [len(t) for j, t in enumerate(texts) if j != i]))
    return scores


def _grams(text: Sequence[str], n: int) -> Grams:
    return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))


def _two_largest(counts: Sequence[Grams]) -> dict[tuple[str, ...], tuple[int, int]]:
    """For each n-gram the largest count that a text has of it, and the second largest."""
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    for of_text in counts:
        for gram, times in of_text.items():
            first, second = found.get(gram, (0, 0))
            found[gram] = (max(first, times), max(second, min(first, times)))
    return found


def _of_others(most: tuple[int, int], own: int) -> int:
    """The most that another text has: where the largest count is this one's own, the second largest."""
    return most[1] if own == most[0] else most[0]


def _bleu(precisions: Sequence[float], length: int, others: Sequence[int]) -> float:
    """Geometric mean times brevity penalty, by the length that is nearest, the shorter of two; 0 without precisions."""
    if not precisions:
        return 0.0
    reference = min(others, key=lambda other: (abs(other - length), other))
    brevity = 1.0 if length >= reference else math.exp(1 - reference / length)
    return brevity * math.exp(sum(map(math.log, precisions)) / len(precisions))
