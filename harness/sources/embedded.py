"""``asset:tiny-pipeline``: what is installed with the harness, by name, so that any project's suite can use it.

Apart from ``Source``, whose code is part of the keys of all stages that read sources.
"""

from __future__ import annotations

from pathlib import Path

from harness.errors import nearest
from harness.sources.hub import Source
from harness.suite.readers import FURTHER_FORMS

PREFIX = "asset:"
FOLDER = Path(__file__).parent / "assets"
NAMES = ("tiny-pipeline",)


def from_text(text: str) -> Source | None:
    """The source that ``asset:NAME`` stands for; None for a text of another form.

    Raises:
        ValueError: there is no asset of that name.
    """
    if not text.startswith(PREFIX):
        return None
    name = text.removeprefix(PREFIX).strip()
    if name not in NAMES:
        raise ValueError(f"{text!r}: no such asset, only {', '.join(NAMES)}{nearest(name, NAMES)}")
    return Source(text, place=FOLDER / name)


FURTHER_FORMS[Source] = from_text
