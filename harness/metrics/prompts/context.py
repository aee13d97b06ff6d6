"""What a check gets to see beside the prompt, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Finding(NamedTuple):
    """A check's answer about one prompt."""

    score: float | None
    """What the threshold is held against; None where the check has nothing to say about this prompt."""
    evidence: tuple[str, ...] = ()
    """The words or numbers that it rests on, as a reader wants to see them."""


class Twin(NamedTuple):
    """The prompt that is most like another one."""

    name: str
    text: str
    likeness: float
    """Jaccard index of their word pairs, in [0, 1]; 1 for the same words in the same order, or nearly so."""


@dataclass(frozen=True)
class Context:
    """The same for all prompts of an artifact; mappings are by prompt name, and by class name."""

    positive: tuple[str, ...]
    """Cues that follow every prompt."""
    negative: tuple[str, ...]
    """Cues of the negative prompt."""
    named: Mapping[str, re.Pattern[str]]
    """For each class, what finds the words that name it."""
    instructed: frozenset[tuple[str, ...]]
    """What no prompt says by chance: ``ECHOED`` words in a row of an instruction that a writer may have been given."""
    spans: Callable[[str], Sequence[tuple[int, int]]]
    """For each token of a text, start and end among them, which characters it is; (0, 0) for a mark."""
    tokens: int
    """How many of them the text encoder takes."""
    cosines: Mapping[str, Mapping[str, float]]
    """Of each prompt with each class; of a prompt without a word that the model knows, none."""
    resting: Mapping[str, float]
    """Cosine of a prompt with the nearest of its passages; prompts without any are left out."""
    twins_within: Mapping[str, Twin]
    """For a prompt, the likest of those before it in its class."""
    twins_across: Mapping[str, Twin]
    """For a prompt, the likest in other classes that does not differ from it in the words for the class."""
