"""Checks of a prompt's form: words, no markup, no stutter, no answer to an instruction, and short enough."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.stages.metrics.prompts.words import Context, Finding, content, found, sent, words

if TYPE_CHECKING:
    from harness.formats.prompts import Prompt

_MARKUP = re.compile(
    r"</?[A-Za-z!][^<>]*>"  # tags
    r"|<\|[^|<>]*\|>|\[/?(?:INST|SYS)\]|<</?SYS>>"  # special tokens of chat templates and tokenizers
    r"|&(?:[a-z]+|#\d+);"  # entities
    r"|https?://\S+|www\.\S+"
    r"|\[[^\[\]]*\]\([^()]*\)|!\["  # links and pictures
    r"|\*\*|__|```|`[^`]+`|^\s*#+\s|^\s*[-*•]\s|^\s*\d+[.)]\s|[{}\\]|\$[^$]*\$",
    re.MULTILINE,
)
_MADE = r"(?:prompt|caption|description|sentence|image|picture|scene|answer)s?"
_ECHO = re.compile(
    r"\b(?:prompt|caption|answer|instruction|question|output|response|description|context|passage)s?\s*\d*\s*:"
    rf"|\b(?:answer|write|generate|create|produce|compose|give|provide|describe|imagine|suggest)\b[^.]{{0,40}}?\b{_MADE}\b"
    rf"|\bhere (?:is|are) (?:your|some|(?:an?|the|one|two|three) (?:possible |short |new )?{_MADE})\b"
    r"|\b(?:as an ai|language model|i am|i'm|i can(?:not|'t)?|i will|i'll"
    r"|based on the|according to the|given the|the following|you are|you should|your task|please"
    r"|provided (?:passage|context|text)|(?:passage|context|text)s? (?:above|below)|text[- ]to[- ]image"
    r"|stable diffusion)\b"
    r"|\b(?:sure|certainly|of course)[,!]",
    re.IGNORECASE,
)
ECHOED = 5
"""Shortest run of words that is no coincidence. "a satellite image of crop land" may well begin both texts, and is not
counted.
"""


def present(prompt: Prompt, _: Context) -> Finding:
    """Number of words."""
    return Finding(float(len(words(prompt.text))), (prompt.text,))


def clean(prompt: Prompt, _: Context) -> Finding:
    """Number of pieces that are markup, or control, replacement or invisible characters."""
    pieces = [match.group().strip() for match in _MARKUP.finditer(prompt.text)]
    pieces += [f"U+{ord(c):04X}" for c in prompt.text if _is_control(c)]
    return Finding(float(len(pieces)), tuple(dict.fromkeys(pieces)))


def _is_control(character: str) -> bool:
    """Control, format, private and unassigned characters, line separators, and the replacement character."""
    return (
        unicodedata.category(character) in {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"} or character == "\ufffd"
    )


def varied(prompt: Prompt, _: Context) -> Finding:
    """Share of the most frequent word among the content words.

    It is 0 with fewer than four content words, and 1 if a word occurs three times in a row.
    """
    carrying = content(prompt.text)
    row = _longest_row(words(prompt.text))
    if row >= 3:
        return Finding(1.0, (f"one word {row} times in a row",))
    if len(carrying) < 4:
        return Finding(0.0)
    word, times = Counter(carrying).most_common(1)[0]
    return Finding(times / len(carrying), (f"{word}: {times} of {len(carrying)} words",))


def _longest_row(spoken: list[str]) -> int:
    """The longest run of one word."""
    longest = row = min(1, len(spoken))
    for before, word in pairwise(spoken):
        row = row + 1 if word == before else 1
        longest = max(longest, row)
    return longest


def no_echo(prompt: Prompt, context: Context) -> Finding:
    """Number of phrases from an instruction, or from an assistant's answer to one."""
    phrases = found(_ECHO, prompt.text)
    phrases += [" ".join(run) for run in runs(prompt.text) if run in context.instructed]
    return Finding(float(len(phrases)), tuple(phrases))


def runs(text: str) -> list[tuple[str, ...]]:
    """Every run of ``ECHOED`` consecutive words, in order."""
    spoken = words(text)
    return [tuple(spoken[i : i + ECHOED]) for i in range(len(spoken) - ECHOED + 1)]


def fits(prompt: Prompt, context: Context) -> Finding:
    """Number of tokens of the prompt with its cues, start and end included."""
    text = sent(prompt.text, context.positive)
    spans = context.spans(text)
    if len(spans) <= context.tokens:
        return Finding(float(len(spans)), (f"{len(spans)} tokens",))
    return Finding(float(len(spans)), (f"{len(spans)} tokens; lost: {_shown(text[_end(spans, context) :])}",))


def _end(spans: Sequence[tuple[int, int]], context: Context) -> int:
    """Index of the first character that the text encoder does not read. Its last token is the end token."""
    return max((end for _, end in spans[: context.tokens - 1]), default=0)


def class_kept(prompt: Prompt, context: Context) -> Finding:
    """1 if the class is named only after the position where the text encoder stops reading, else 0.

    Also 0 if the class is not named at all, which is left to another check.
    """
    text = sent(prompt.text, context.positive)
    spans = context.spans(text)
    named = list(context.named[prompt.label].finditer(text))
    if not named or len(spans) <= context.tokens:
        return Finding(0.0)
    end = _end(spans, context)
    if any(match.end() <= end for match in named):
        return Finding(0.0)
    return Finding(
        1.0, (f"{named[0].group()!r} comes after what is read: …{_shown(text[max(0, end - 30) : end])}",)
    )


def _shown(text: str) -> str:
    return text.strip() if len(text) <= 60 else f"{text[:60].strip()}…"
