"""Does the prompt rest on the passages that were retrieved for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.metrics.prompts.context import Context, Finding
from harness.metrics.prompts.view import without_view
from harness.metrics.prompts.words import content

if TYPE_CHECKING:
    from harness.systems.prompt_writer.writing.table import Prompt


def supported(prompt: Prompt, context: Context) -> Finding:
    """The share of its words with meaning that its passages have too; of a prompt without passages, or of view words
    alone, nothing is said.
    """
    said = dict.fromkeys(content(without_view(prompt.text)))
    if not prompt.passages or not said:
        return Finding(None)
    read = {word for passage in prompt.passages for word in content(passage.text)}
    missing = [word for word in said if word not in read]
    return Finding(1 - len(missing) / len(said), (f"not in the passages: {', '.join(missing) or 'nothing'}",))


def close(prompt: Prompt, context: Context) -> Finding:
    """Cosine of the prompt with the nearest of its passages; of a prompt without passages nothing is said."""
    if prompt.name not in context.resting:
        return Finding(None)
    cosine = context.resting[prompt.name]
    return Finding(cosine, (f"cosine {cosine:.3f} with the nearest of {len(prompt.passages)} passages",))
