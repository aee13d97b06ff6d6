"""Prompts made by hand, and which checks they fail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import harness
from harness.metrics.prompts.checking import CheckScores
from harness.systems.prompt_writer.writing import table
from harness.systems.prompt_writer.writing.table import Prompt

TOKENIZER = Path(harness.__file__).parent / "assets" / "tiny-pipeline" / "tokenizer"
"""A real CLIP tokenizer of some thousand words."""


def prompt(text: str, label: str = "Crop Land", name: str = "it", passages: Sequence[str] = ()) -> Prompt:
    """One prompt; passages by their texts."""
    kept = tuple(table.Passage(f"p{i}", "paper.pdf", i + 1, text) for i, text in enumerate(passages))
    return Prompt(name, text, label, "hand", kept)


def failed(scores: CheckScores, name: str) -> set[str]:
    """The checks that a prompt fails."""
    failing = scores.details["failing"]
    return {check for check, rows in failing.items() if name in [row["prompt"] for row in rows]}
