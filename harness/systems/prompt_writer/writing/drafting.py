"""Which of a model's answers become prompts: the first of each that is one, and not another's of its class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from harness.systems.prompt_writer.writing.tidying import Answer, words


class Place(NamedTuple):
    """One prompt that is to be written."""

    label: str
    number: int
    """Among those of its class, from 0."""


class Turn(NamedTuple):
    """One try at it."""

    place: Place
    attempt: int
    """From 0."""


class Draft(NamedTuple):
    """What was taken for a place."""

    place: Place
    turn: Turn
    text: str
    problem: Literal["", "empty", "echo", "repeat"]
    """Of the best answer, where none was free of any; ``empty``: there is no text."""


def drafts(
    places: Sequence[Place], attempts: int, ask: Callable[[Sequence[Turn]], Sequence[Answer]]
) -> list[Draft]:
    """Ask for all places, and again for those whose answers are no prompts, up to ``attempts`` times each.

    The result is that of asking for one place after the other, however many are asked for at once: a place depends
    on those of its class before it and on none behind it.

    Args:
        places: in their order.
        attempts: at most.
        ask: gives one answer for each turn, which depends on that turn alone.
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
    """What is taken for each place as far as is known, those before it considered."""
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
    """The first answer without a problem, else one that repeats another, else an echo."""
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
