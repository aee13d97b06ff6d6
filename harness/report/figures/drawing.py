"""A picture to be: what it is called, what it depends on, and how it is drawn. Drawn pictures are remembered.

Importing matplotlib and drawing takes a second or two, which a warm run should not wait for. So a picture is
kept in the store under the hash of what it depends on and of the code that draws it: ``pictures/<digest>``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Literal

from harness.artifact import Json
from harness.engine import code_digest
from harness.formats import files
from harness.formats.strict_json import canonical
from harness.store.artifacts import Store

Section = Literal["cost", "samples", "losses"]


class UnreadableImageError(Exception):
    """An image that a sheet should show cannot be read."""


@dataclass(frozen=True)
class Drawing:
    """A picture that can be drawn."""

    file: str
    """Its name in the run's folder of pictures."""
    section: Section
    title: str
    alt: str
    depends: Json
    """Everything that decides how it looks, save the code: artifacts by key."""
    draw: partial[bytes]
    """Of a module-level function, whose source is followed as a stage's is."""


def content(drawing: Drawing, store: Store) -> bytes:
    """The picture, from the store where it was drawn before.

    Raises:
        OSError: the store cannot be read.
        UnreadableImageError, StageError: what it shows cannot be read.
    """
    kept = store.root / "pictures" / f"{_digest(drawing)}{Path(drawing.file).suffix}"
    try:
        return kept.read_bytes()
    except FileNotFoundError:
        data = drawing.draw()
    with suppress(OSError):  # a cache: a full or read-only store costs drawing it again
        kept.parent.mkdir(parents=True, exist_ok=True)
        files.write(kept, data)
    return data


def _digest(drawing: Drawing) -> str:
    function: Callable[..., bytes] = drawing.draw.func
    libraries = {name: metadata.version(name) for name in ("matplotlib", "pillow")}
    body = canonical([code_digest.digest(function), libraries, drawing.depends])
    return sha256(f"harness/picture/1:{body}".encode()).hexdigest()
