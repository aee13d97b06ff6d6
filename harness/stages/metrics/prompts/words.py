"""Words of a prompt: finding, comparing and looking them up; the input and the result of a check."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def words(text: str) -> list[str]:
    """The words of a text in lower case, in order; digits and punctuation are left out."""
    return [found.lower().replace("’", "'") for found in WORD.findall(text)]


def listed(text: str) -> tuple[str, ...]:
    """Phrases separated by commas; line breaks count as spaces."""
    return tuple(" ".join(phrase.split()) for phrase in text.split(","))


STOP_WORDS = frozenset(
    words(
        """
        a about above across all along also among an and are around as at be been before behind below beside
        besides between both but by can do does each from get had has have he her here his in into is it its
        lot lots many me more most much my near next no not of off on one onto or other our out over own she
        so some such than that the their them then there these they this those through to under up upon us
        very was we were what when where which while who whose will with within you your it's there's
        """
    )
)
"""Function words, which say how things are placed rather than what they are."""


def singular(word: str) -> str:
    """A noun without its plural: the S stemmer of Harman (1991), and ``-es`` after a sibilant (beaches, marshes)."""
    if len(word) < 4 or word.endswith(("ss", "us", "is", "'s")):
        return word.removesuffix("'s")
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word.removesuffix("s")


def content(text: str) -> list[str]:
    """The content words, in order, without plurals."""
    return [singular(word) for word in words(text) if word not in STOP_WORDS]


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Pairs of neighbouring words (Broder 1997); for a text of one word, that word.

    White space, case and punctuation have no effect.
    """
    found = words(text)
    return frozenset(pairwise(found)) or frozenset((word,) for word in found)


def pattern(phrases: Iterable[str]) -> re.Pattern[str]:
    """Finds any of the phrases as whole words, in any case, with a plural or without, the longest first.

    Spaces, hyphens and apostrophes do not matter, inside or between words: ``storagetanks`` finds "storage tanks" and
    ``close-up`` "close up". Without phrases the pattern finds nothing.
    """
    spelt = sorted({"".join(filter(str.isalnum, phrase)).lower() for phrase in phrases} - {""})
    either = "|".join(_spelling(letters) for letters in sorted(spelt, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)" if either else r"(?!)", re.IGNORECASE)


def _spelling(letters: str) -> str:
    stem, ending = (letters[:-1], "(?:y|ies)") if letters.endswith("y") else (letters, "(?:e?s)?")
    return r"[\s'’-]*".join(map(re.escape, stem)) + ending


def found(looked_for: re.Pattern[str], text: str) -> list[str]:
    """The different matches, in order, in lower case."""
    return list(dict.fromkeys(match.group().lower() for match in looked_for.finditer(text)))


def sent(text: str, cues: Sequence[str]) -> str:
    """The prompt as sent to the pipeline, its positive cues added after commas (as in ``text_to_image.encode``)."""
    return ", ".join([text.rstrip(" ."), *cues]) if cues else text


class Finding(NamedTuple):
    """A check's result for one prompt."""

    score: float | None
    """The value compared with the threshold; None if the check does not apply to this prompt."""
    evidence: tuple[str, ...] = ()
    """The words or numbers that the score is based on, in readable form."""


class Twin(NamedTuple):
    """The prompt that is most similar to another one."""

    name: str
    text: str
    likeness: float
    """Jaccard index of their word pairs, in [0, 1]; 1 for the same words in the same order, or nearly so."""


@dataclass(frozen=True)
class Context:
    """Inputs that are the same for all prompts of an artifact; mappings are by prompt name, and by class name."""

    positive: tuple[str, ...]
    """Cues that follow every prompt."""
    negative: tuple[str, ...]
    """Cues of the negative prompt."""
    named: Mapping[str, re.Pattern[str]]
    """For each class, the pattern that finds the words that name it."""
    instructed: frozenset[tuple[str, ...]]
    """Runs of ``ECHOED`` words from instructions that a writer may have been given, which no prompt has by chance."""
    spans: Callable[[str], Sequence[tuple[int, int]]]
    """Gives the character span of each token of a text, start and end tokens included; (0, 0) for a special token."""
    tokens: int
    """Number of tokens that the text encoder takes."""
    cosines: Mapping[str, Mapping[str, float]]
    """Cosine of each prompt with each class; prompts without a word that the model knows are left out."""
    resting: Mapping[str, float]
    """Cosine of a prompt with the nearest of its passages; prompts without passages are left out."""
    twins_within: Mapping[str, Twin]
    """For a prompt, the most similar earlier one of its class."""
    twins_across: Mapping[str, Twin]
    """For a prompt, the most similar one of other classes that does not differ from it in the words for the class."""
