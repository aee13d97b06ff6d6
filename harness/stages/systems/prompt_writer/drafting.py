"""What a model is asked for a prompt, the prompt in its answer, and asking again where it is missing or repeated."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from harness.errors import nearest

_PLACE = re.compile(r"\{([^{}\s]*)\}")


@dataclass(frozen=True)
class Phrase:
    """A text with ``{class}`` in it."""

    text: str

    @classmethod
    def from_text(cls, text: str) -> Phrase:
        """Read a phrase.

        Raises:
            ValueError: no ``{class}``, or another name in braces.
        """
        _check(text, ("class",))
        return cls(text)

    def to_key(self) -> str:
        """The text."""
        return self.text

    def of(self, label: str) -> str:
        """The phrase for a class."""
        return _filled(self.text, {"class": spoken(label)})


@dataclass(frozen=True)
class Instruction:
    """A text with ``{class}`` and ``{passages}`` in it, for a language model."""

    text: str

    @classmethod
    def from_text(cls, text: str) -> Instruction:
        """Read an instruction.

        Raises:
            ValueError: no ``{class}``, no ``{passages}``, or another name in braces.
        """
        _check(text, ("class", "passages"))
        return cls(text.strip())

    def to_key(self) -> str:
        """The text."""
        return self.text

    def of(self, label: str, passages: Sequence[str]) -> str:
        """The instruction for a class, with each passage in its own paragraph."""
        return _filled(self.text, {"class": spoken(label), "passages": "\n\n".join(passages)})

    def sentences(self, label: str) -> list[str]:
        """Its own sentences, without the passages."""
        lines = self.of(label, ()).splitlines()
        return [s for line in lines for s in re.split(r"(?<=[.!?:])\s+", line.strip()) if s]

    @property
    def last_line(self) -> Phrase:
        """The beginning of a prompt that the model should continue; it contains ``{class}``.

        Raises:
            ValueError: it does not contain ``{class}``, or it contains ``{passages}``.
        """
        return Phrase.from_text(self.text.rpartition("\n")[2])


INSTRUCT = Instruction(
    "You write prompts for a model that makes satellite images. These are notes on remote sensing:\n"
    "\n"
    "{passages}\n"
    "\n"
    "Write one prompt for a satellite image of {class}. It names {class}, says that the picture is taken "
    "from above, and describes in at most thirty words the shapes, colours and textures that can be seen from orbit. "
    "It keeps to the notes where they say how {class} looks. Answer with the prompt alone, in one sentence."
)
COMPLETE = Instruction("{passages}\n\nA satellite image of {class}")


def spoken(label: str) -> str:
    """The name of a class within a sentence: ``Crop Land``, ``crop_land`` and ``CropLand`` become ``crop land``."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|_+", " ", label)
    return " ".join(apart.split()).lower()


def _check(text: str, wanted: Sequence[str]) -> None:
    names = _PLACE.findall(text)
    for name in names:
        if name not in wanted:
            raise ValueError(
                f"{{{name}}}: only {_listed(wanted)} can stand in braces here{nearest(name, wanted)}"
            )
    for name in wanted:
        if name not in names:
            raise ValueError(f"{text!r:.60} has no {{{name}}}")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"{{{name}}}" for name in names)


def _filled(text: str, values: dict[str, str]) -> str:
    """Fill all placeholders at once, so that braces within a passage stay as they are."""
    return _PLACE.sub(lambda place: values[place[1]], text)


_TAG = re.compile(r"</?[A-Za-z|!][^<>\n]{0,80}>")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]")
_EMPHASIS = re.compile(r"\*\*|__|`+|~~")
_BEFORE = re.compile(
    r"""(?:
        [-*+•·–—>\#]+\s+                              # a mark of a list, a quotation or a heading
      | \(?(?:\d{1,3}|[a-z])[.)]\s+                   # 1. or (a)
      | (?:(?:image|text)\ )?(?:prompt|caption|answer|description|output|response)(?:\ \d+)?\s*:\s*
      | (?:sure|certainly|of\ course|okay)\b[,.!]?\s*
      | here(?:'s|’s|\ is|\ are)\b[^:]{0,80}(?::\s*|\Z)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_QUOTES = "\"'“”‘’„«»"
_END = re.compile(rf"[.!?][{_QUOTES})]*\s+(?=[{_QUOTES}(]?(\w))|[。！？]")
_ECHO = 4
"""Number of first words by which a sentence of the instruction is recognised."""


class Answer(NamedTuple):
    """The prompt in a model's answer."""

    text: str
    problem: Literal["", "empty", "echo"]
    """``empty``: there is no text; ``echo``: there are only sentences of the instruction."""


def instructed(answer: str, told: Sequence[str]) -> Answer:
    """The prompt in an answer to an instruction.

    List marks, headings, quotation marks, markup, polite introductions, sentences of the instruction and everything
    after the first sentence are removed.

    Args:
        answer: the model's answer.
        told: the sentences of the instruction.
    """
    told = [words(sentence) for sentence in told]
    openings = [sentence for sentence in told if sentence.count(" ") >= _ECHO - 1]
    echoed = ""
    for sentence in _sentences(answer):
        if not words(sentence):
            continue
        if not any(_echoes(words(sentence), opening) for opening in openings):
            return Answer(sentence, "")
        echoed = echoed or sentence
    return Answer(echoed, "echo" if echoed else "empty")


def continued(beginning: str, answer: str) -> Answer:
    """The prompt that a model continued, from its beginning to the end of its first sentence or paragraph."""
    paragraph = re.split(r"\n\s*\n", answer, maxsplit=1)[0]
    text = _first_sentence(one_line(beginning + paragraph)).rstrip(" ,;:-–—")
    return Answer(text, "") if words(text) != words(beginning) else Answer("", "empty")


def one_line(text: str) -> str:
    """The text on one line, without markup, invisible and control characters, in composed characters (NFC)."""
    text = _INVISIBLE.sub("", _TAG.sub(" ", text))
    spaced = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
    return unicodedata.normalize("NFC", " ".join(spaced.split()))


def words(text: str) -> str:
    """The words of a text without case and punctuation: prompts with the same words count as the same."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def _sentences(answer: str) -> Iterator[str]:
    """The sentences of all lines, except introductions."""
    for line in answer.splitlines():
        rest = _bare(line)
        while rest:
            sentence = _first_sentence(rest)
            rest = rest[len(sentence) :].strip()
            if not (sentence.endswith(":") and not rest):
                yield _unquoted(sentence.strip(" ,;:-–—"))


def _bare(line: str) -> str:
    line = _EMPHASIS.sub("", one_line(line))
    while True:
        shorter = line.strip()
        if before := _BEFORE.match(shorter):
            shorter = shorter[before.end() :]
        shorter = _unquoted(shorter)
        if shorter == line:
            return line
        line = shorter


def _unquoted(text: str) -> str:
    """The text without quotation marks around all of it; those around a single word stay."""
    inside = text.strip(_QUOTES)
    return text if any(mark in inside for mark in _QUOTES.replace("'", "").replace("’", "")) else inside


def _first_sentence(text: str) -> str:
    """The text up to the first full stop that no small letter or digit follows ("e.g. wheat", "approx. 10 m")."""
    for end in _END.finditer(text):
        following = end[1]
        if following is None or not (following.islower() or following.isdigit()):
            return text[: end.end()].rstrip()
    return text


def _echoes(sentence: str, told: str) -> bool:
    begins = " ".join(told.split()[:_ECHO])
    return f"{sentence} ".startswith(f"{begins} ") or f" {told} " in f" {sentence} "


class Place(NamedTuple):
    """The slot of one prompt that is to be written."""

    label: str
    number: int
    """Index within its class, from 0."""


class Turn(NamedTuple):
    """One attempt at a prompt."""

    place: Place
    attempt: int
    """Number of the attempt, from 0."""


class Draft(NamedTuple):
    """The answer chosen for one prompt slot."""

    place: Place
    turn: Turn
    text: str
    problem: Literal["", "empty", "echo", "repeat"]
    """Problem of the best answer if all have one; ``empty``: there is no text."""


def drafts(
    places: Sequence[Place], attempts: int, ask: Callable[[Sequence[Turn]], Sequence[Answer]]
) -> list[Draft]:
    """Ask for all places, and again for those whose answers have a problem, up to ``attempts`` times each.

    The result is the same as asking for one place after the other, however many are asked for at once: a place depends
    only on the earlier places of its class.

    Args:
        places: the places, in order.
        attempts: maximum number of attempts per place.
        ask: returns one answer for each turn, which depends only on that turn.
    """
    answers: dict[Place, list[Answer]] = {place: [] for place in places}
    while True:
        settled = _settled(answers, attempts)
        turns = [Turn(place, len(answers[place])) for place in places if place not in settled]
        if not turns:
            return [settled[place] for place in places]
        for turn, answer in zip(turns, ask(turns), strict=True):
            answers[turn.place].append(answer)


def _settled(answers: dict[Place, list[Answer]], attempts: int) -> dict[Place, Draft]:
    """The draft for each place that can be decided so far, given the places before it."""
    found: dict[Place, Draft] = {}
    taken: set[tuple[str, str]] = set()
    for place, tries in answers.items():
        draft = _best(place, tries, taken)
        if draft.problem and len(tries) < attempts:
            continue
        taken.add((place.label, words(draft.text)))
        found[place] = draft
    return found


def _best(place: Place, tries: Sequence[Answer], taken: set[tuple[str, str]]) -> Draft:
    """The first answer without a problem; else one that repeats another prompt; else an echo."""
    found = [
        Draft(
            place,
            Turn(place, attempt),
            answer.text,
            answer.problem or ("repeat" if (place.label, words(answer.text)) in taken else ""),
        )
        for attempt, answer in enumerate(tries)
    ]
    order = ("", "repeat", "echo", "empty")
    return min(
        found, key=lambda draft: order.index(draft.problem), default=Draft(place, Turn(place, 0), "", "empty")
    )
