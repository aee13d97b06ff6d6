"""Prompts as rows: the common format of every writer of prompts, and of all that reads them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.artifact import Artifact, Json
from harness.errors import StageError
from harness.formats.image_folder import METADATA, Row, rows


class Passage(NamedTuple):
    """A passage that a prompt is based on, as its writer saw it: shortened if there was no room for all of it."""

    id: str
    document: str
    page: int
    """The page on which it begins, from 1; 0 if the source has no pages."""
    text: str


@dataclass(frozen=True)
class Prompt:
    """One prompt of one class."""

    name: str
    """Unique among the prompts of an artifact: ``crop-land-003``."""
    text: str
    label: str
    """Its class."""
    writer: str
    """What wrote the prompt."""
    passages: tuple[Passage, ...] = ()
    """The retrieved passages that the prompt is based on; may be empty."""


def write(folder: Path, prompts: Sequence[Prompt]) -> None:
    """Write ``prompts`` into ``folder`` as ``metadata.jsonl``, in their order; the file can be read as captions."""
    assert len({prompt.name for prompt in prompts}) == len(prompts), "two prompts of one name"
    with (folder / METADATA).open("w", encoding="utf-8") as lines:
        for prompt in prompts:
            row = {
                "file_name": prompt.name,
                "captions": [prompt.text],
                "label": prompt.label,
                "writer": prompt.writer,
                "passages": [passage._asdict() for passage in prompt.passages],
            }
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def read(artifact: Artifact) -> list[Prompt]:
    """The prompts of an artifact, in file order.

    Raises:
        StageError: a row that is not a prompt; or two prompts with the same name.
    """
    found = [_prompt(row, artifact.path) for row in rows(artifact)]
    twice = [name for name, count in Counter(prompt.name for prompt in found).items() if count > 1]
    if twice:
        raise StageError(f"{artifact.path / METADATA}: two prompts are called {twice[0]}")
    return found


def _prompt(row: Row, folder: Path) -> Prompt:
    where = f"{folder / METADATA}: {row.name}"
    writer = row.columns.get("writer")
    if row.label is None or len(row.captions) != 1 or not isinstance(writer, str):
        raise StageError(f"{where}: not a prompt; expected one caption, a label and a writer")
    return Prompt(row.name, row.captions[0], row.label, writer, passages(row.columns.get("passages"), where))


def passages(value: Json, where: str) -> tuple[Passage, ...]:
    """The passages in a row.

    Raises:
        StageError: the value is not a list of passages.
    """
    found = [_passage(item) for item in value] if isinstance(value, list) else [None]
    if None in found:
        raise StageError(f"{where}: passages must be a list of mappings of id, document, page and text")
    return tuple(passage for passage in found if passage is not None)


def _passage(item: Json) -> Passage | None:
    match item:
        case {"id": str(id), "document": str(document), "page": int(page), "text": str(text)} if page >= 0:
            return Passage(id, document, page, text)
    return None


def check_classes(classes: Sequence[str]) -> None:
    """Check that there are classes, and that the names of their prompts will differ.

    Raises:
        StageError: no class; a blank class; or two classes that differ only in punctuation and case.
    """
    if not classes:
        raise StageError("classes: none; name at least one")
    seen: dict[str, str] = {}
    for label in classes:
        if not label.strip():
            raise StageError("classes: one of them is blank")
        other = seen.setdefault(slug(label), label)
        if other != label:
            raise StageError(f"classes: {other!r} and {label!r} would give their prompts the same names")
    if len(seen) < len(classes):
        twice = next(label for label, times in Counter(classes).items() if times > 1)
        raise StageError(f"classes: {twice!r} is named twice")


def slug(label: str) -> str:
    """A class as it is written in the names of its prompts: ``crop-land``."""
    return re.sub(r"[\W_]+", "-", label.lower()).strip("-") or "class"


def name(label: str, index: int) -> str:
    """The name of a prompt of a class: ``crop-land-003``."""
    return f"{slug(label)}-{index:03d}"


def count(prompts: Iterable[Prompt]) -> dict[str, Json]:
    """Facts for an artifact: ``count``, ``classes`` in order of their first prompts, ``per_class``."""
    per_class = Counter(prompt.label for prompt in prompts)
    return {"count": per_class.total(), "classes": list(per_class), "per_class": dict(per_class)}
