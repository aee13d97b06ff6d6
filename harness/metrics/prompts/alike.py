"""Which prompts say the same, in one class or in two."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.metrics.prompts.context import Context, Finding, Twin
from harness.metrics.prompts.words import shingles, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.systems.prompt_writer.writing.table import Prompt


def unrepeated(prompt: Prompt, context: Context) -> Finding:
    """Likeness to the likest prompt before it in its class: of copies, the first is none."""
    return _likeness(context.twins_within.get(prompt.name))


def class_specific(prompt: Prompt, context: Context) -> Finding:
    """Likeness to the likest prompt of another class, unless the two differ in the words for their classes: "a lake
    in a forest" for two classes says nothing about either.
    """
    return _likeness(context.twins_across.get(prompt.name))


def _likeness(twin: Twin | None) -> Finding:
    return Finding(0.0) if twin is None else Finding(twin.likeness, (f"{twin.name}: {twin.text}",))


def twins(
    prompts: Sequence[Prompt], named: Mapping[str, re.Pattern[str]]
) -> tuple[dict[str, Twin], dict[str, Twin]]:
    """For each prompt the likest one before it in its class, and the likest one of another class.

    Args:
        prompts: all of an artifact, in its order.
        named: for each class, what finds its words.

    Returns:
        Two mappings by prompt name; a prompt that shares no pair of words with another has no twin.
    """
    likeness = _likenesses([prompt.text for prompt in prompts])
    within: dict[str, Twin] = {}
    across: dict[str, Twin] = {}
    for i, prompt in enumerate(prompts):
        for j in (-likeness[i]).argsort(kind="stable"):
            other = prompts[j]
            if not likeness[i, j] or (prompt.name in within and prompt.name in across):
                break
            twin = Twin(other.name, other.text, float(likeness[i, j]))
            if other.label == prompt.label:
                if j < i:
                    within.setdefault(prompt.name, twin)
            elif prompt.name not in across and not _tells_apart(prompt, other, named):
                across[prompt.name] = twin
    return within, across


def _likenesses(texts: Sequence[str]) -> NDArray[np.float64]:
    """Jaccard index of the word pairs of every two texts, float64 (N, N)."""
    import numpy as np
    from scipy.sparse import csr_array

    sets = [sorted(shingles(text)) for text in texts]
    index = {pair: i for i, pair in enumerate(sorted({pair for pairs in sets for pair in pairs}))}
    starts = np.cumsum([0, *map(len, sets)])
    columns = np.array([index[pair] for pairs in sets for pair in pairs], dtype=np.int64)
    has = csr_array((np.ones(len(columns)), columns, starts), shape=(len(texts), max(1, len(index))))
    shared = (has @ has.T).toarray()
    sizes = has.sum(axis=1)
    likeness: NDArray[np.float64] = shared / np.maximum(sizes[:, None] + sizes[None, :] - shared, 1)
    return likeness


def _tells_apart(prompt: Prompt, other: Prompt, named: Mapping[str, re.Pattern[str]]) -> bool:
    """Whether what only one of the two says names that one's class."""
    mine, theirs = set(words(prompt.text)), set(words(other.text))
    return any(
        any(set(words(match.group())) & only for match in named[one.label].finditer(one.text))
        for one, only in ((prompt, mine - theirs), (other, theirs - mine))
    )
