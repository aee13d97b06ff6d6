"""Does the prompt ask for what the negative prompt forbids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.metrics.prompts.context import Context, Finding
from harness.metrics.prompts.words import found, pattern, sent

if TYPE_CHECKING:
    from harness.systems.prompt_writer.writing.table import Prompt


def consistent(prompt: Prompt, context: Context) -> Finding:
    """How many negative cues stand in the prompt or among its positive cues."""
    asked = found(pattern(context.negative), sent(prompt.text, context.positive))
    return Finding(float(len(asked)), tuple(f"{cue!r} is a negative cue" for cue in asked))
