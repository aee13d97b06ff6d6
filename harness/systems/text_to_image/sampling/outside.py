"""Images that another system made, to be scored like our own."""

from __future__ import annotations

import json
from typing import Any

from harness.artifact import GeneratedImages, Json
from harness.data.folders import captioned
from harness.data.hub import Source
from harness.data.image_folder import METADATA, rows
from harness.data.pixels import Resize, Scale
from harness.errors import StageError, nearest
from harness.stage import Count, Job, Reading, stage


@stage(version=1, software=("pillow",))
def folder(
    *,
    source: Source,
    prompt: Reading[str] = "prompt",
    label: Reading[str | None] = None,
    of: Reading[str | None] = None,
    size: Reading[Count | None] = None,
    resize: Reading[Resize] = "bicubic",
    scale: Reading[Scale | None] = None,
    job: Job,
) -> GeneratedImages:
    """Generated images from a folder, with the prompts they were made from in its ``metadata.jsonl``.

    Nobody knows what they cost, so ``cost.sampling`` refuses them; every other metric takes them. Where a metric
    pairs images with real ones or knows classes, name the columns that say so.

    Args:
        source: the folder; ``metadata.jsonl`` has one row per image, ``file_name`` relative to the folder.
        prompt: the column with the prompt.
        label: the column with the class that the prompt asks for; null where there is none.
        of: the column with the ``file_name`` of the real image that the prompt describes; null where there is none.
        size: cut to the middle square and resize to this width and height; null keeps images as they are.
        resize: the filter of that, antialiased.
        scale: the values that become 0 and 255 in images of one channel with more than 8 bits.
        job: its folder.

    Raises:
        StageError: no ``metadata.jsonl``, a damaged image, an image without a prompt, with a blank one or with
            several, a column that a row lacks.
    """
    made = captioned(source=source, captions=prompt, size=size, resize=resize, scale=scale, job=job)
    file = source.path / METADATA
    given = [json.loads(line) for line in file.read_bytes().splitlines()]
    lines = []
    for number, (row, columns) in enumerate(zip(rows(made), given, strict=True), start=1):
        where = f"{file}:{number}"
        if len(row.captions) != 1:
            raise StageError(f"{where}: {len(row.captions)} sentences in {prompt!r}; an image has one prompt")
        if not row.captions[0].strip():
            raise StageError(f"{where}: {prompt} is blank; expected the prompt that the image was made from")
        kept: dict[str, Json] = {"file_name": row.name, "captions": row.captions}
        if label is not None:
            kept["label"] = _text(columns, label, where)
        if of is not None:
            kept["of"] = _text(columns, of, where)
        lines.append(json.dumps(kept, ensure_ascii=False) + "\n")
    (made.path / METADATA).write_text("".join(lines), encoding="utf-8")
    return GeneratedImages(made.path, facts=made.facts)


def _text(columns: dict[str, Any], column: str, where: str) -> str:
    if column not in columns:
        raise StageError(f"{where}: no {column!r}, only {', '.join(columns)}{nearest(column, columns)}")
    value = columns[column]
    if not isinstance(value, str) or not value:
        raise StageError(f"{where}: {column} must be a name, not {value!r:.60}")
    return value
