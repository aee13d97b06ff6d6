"""Will a word be drawn as something else, or at another scale, than land seen from above."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.metrics.prompts.context import Context, Finding
from harness.metrics.prompts.homonym_list import LARGE, LAYOUT, SENSES
from harness.metrics.prompts.words import content

if TYPE_CHECKING:
    from harness.systems.prompt_writer.writing.table import Prompt


def unambiguous(prompt: Prompt, _: Context) -> Finding:
    """How many words have another sense, or another scale, that no other word of the prompt rules out."""
    said = list(dict.fromkeys(content(prompt.text)))
    risks = [_sense(word, said) for word in said] + [_scale(word, said) for word in said]
    found = tuple(risk for risk in risks if risk)
    return Finding(float(len(found)), found)


def _sense(word: str, said: list[str]) -> str:
    homonym = SENSES.get(word)
    if homonym is None or set(homonym.settles.split()).intersection(said):
        return ""
    return f"{word!r} may be drawn as {homonym.drawn}, not {homonym.meant}"


def _scale(word: str, said: list[str]) -> str:
    if word not in LARGE or LAYOUT.intersection(said):
        return ""
    return f"{word!r} may be drawn as large as in a photograph of one; say how the land is laid out"
