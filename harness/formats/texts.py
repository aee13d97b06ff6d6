"""``metadata.jsonl`` of what a language model wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.errors import StageError
from harness.formats.captions import write_lines
from harness.formats.image_folder import METADATA
from harness.formats.strict_json import objects


class Text(NamedTuple):
    """One text."""

    prompt: str
    sample: int
    """Which of the prompt's texts it is, from 0."""
    text: str
    """What followed the prompt."""
    tokens: int
    """Number of tokens of ``text``."""


def write(folder: Path, texts: Sequence[Text]) -> None:
    """Write ``texts`` into ``folder``, in their order."""
    write_lines(folder / METADATA, (text._asdict() for text in texts))


def read(folder: Path) -> list[Text]:
    """The texts in ``folder``, in file order; further columns are left out.

    Raises:
        StageError: the file cannot be read, or a row is not a text.
    """
    found = []
    for where, row in objects(folder / METADATA):
        match row:
            case {"prompt": str(prompt), "sample": int(sample), "text": str(text), "tokens": int(tokens)}:
                found.append(Text(prompt, sample, text, tokens))
            case _:
                raise StageError(f"{where}: not a text; expected prompt, sample, text and tokens")
    return found
