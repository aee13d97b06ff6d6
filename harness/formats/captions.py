"""``metadata.jsonl`` of sentences without images; read it by ``image_folder.rows``, as an image folder's captions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.artifact import Json
from harness.errors import StageError
from harness.formats.image_folder import METADATA


def write(
    folder: Path, captions: Mapping[str, Sequence[str]], labels: Mapping[str, str] | None = None
) -> None:
    """Write ``metadata.jsonl`` into ``folder``, a row for each name, in their order.

    Args:
        folder: must exist.
        captions: name of the row (in an image folder the image's file) → its sentences.
        labels: name of the row → its class, for the rows that have one.

    Raises:
        StageError: a row without a sentence.
    """
    rows: list[dict[str, Json]] = []
    for name, sentences in captions.items():
        if not sentences:
            raise StageError(f"{name}: no caption; expected a sentence or more")
        own: dict[str, Json] = {"label": labels[name]} if labels and name in labels else {}
        rows.append({"file_name": name, "captions": list(sentences), **own})
    write_lines(folder / METADATA, rows)


def write_lines(file: Path, rows: Iterable[Mapping[str, Json]]) -> None:
    """Write JSON lines in UTF-8; ``strict_json.objects`` reads them."""
    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    file.write_text(text, encoding="utf-8")
