"""Image folders of one's own: one folder per class, or ``metadata.jsonl``."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harness.artifact import CaptionedImages, Json, LabelledImages
from harness.data.content import files_of
from harness.data.folders.classes import class_facts, class_folders, png_names
from harness.data.hub import Source
from harness.data.image_folder import METADATA, Writer
from harness.data.pixels import Decoder, Resize, Scale
from harness.errors import StageError, nearest
from harness.stage import Count, Job, Reading, stage

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".jp2"})


@stage(version=1, software=("pillow",))
def images(
    *,
    source: Source,
    label: Reading[str] = "label",
    size: Reading[Count | None] = None,
    resize: Reading[Resize] = "bicubic",
    scale: Reading[Scale | None] = None,
    job: Job,
) -> LabelledImages:
    """A folder of images with their classes.

    With a ``metadata.jsonl``, its rows name the images and their classes; else there is one folder per
    class. Classes are in alphabetical order.

    Args:
        source: the folder.
        label: the column of ``metadata.jsonl`` that has the class's name.
        size: cut to the middle square and resize to this width and height; null keeps images as they are.
        resize: the filter of that, antialiased.
        scale: the values that become 0 and 255 in images of one channel with more than 8 bits.

    Raises:
        StageError: a damaged image, an image without a class, a class without images, one class only.
    """
    decoder, root, folder = Decoder(scale, size, resize), source.path, job.folder()
    if (root / METADATA).is_file():
        listed = list(_listed(root, label))
        rows = {row.name: (_text(row.value, label, row.where), row.path) for row in listed}
        classes = sorted({name for name, _ in rows.values()})
        unread = _unlisted(root, rows)
    else:
        if label != "label":
            raise StageError(f"label: {root} has no {METADATA} with columns, only folders; remove it")
        rows, classes, unread = class_folders(root, SUFFIXES)
    names, labels = png_names(rows), Counter(name for name, _ in rows.values())
    facts = class_facts(labels, classes, root)
    with Writer(folder) as out:
        for name, (class_name, path) in rows.items():
            out.add(decoder.decode(path, path), names[name], label=class_name)
            job.progress(out.count, len(rows), "images")
    return LabelledImages(folder, {**facts, **_conversions(decoder), "unread": dict(unread)})


@stage(version=1, software=("pillow",))
def captioned(
    *,
    source: Source,
    captions: Reading[str] = "captions",
    size: Reading[Count | None] = None,
    resize: Reading[Resize] = "bicubic",
    scale: Reading[Scale | None] = None,
    job: Job,
) -> CaptionedImages:
    """A folder of images with sentences about them, in ``metadata.jsonl``.

    Args:
        source: the folder.
        captions: the column that has a sentence, or a list of them (``text`` in many hub data sets).
        size: cut to the middle square and resize to this width and height; null keeps images as they are.
        resize: the filter of that, antialiased.
        scale: the values that become 0 and 255 in images of one channel with more than 8 bits.

    Raises:
        StageError: no ``metadata.jsonl``, a damaged image, an image without a sentence.
    """
    from harness.data.parquet_set import sentences

    decoder, root, folder = Decoder(scale, size, resize), source.path, job.folder()
    listed = {row.name: row for row in _listed(root, captions)}
    names = png_names(listed)
    with Writer(folder) as out:
        for name, row in listed.items():
            picture = decoder.decode(row.path, row.path)
            out.add(picture, names[name], captions=sentences(row.value, row.where))
            job.progress(out.count, len(listed), "images")
    facts: dict[str, Json] = {"count": len(listed), "unread": dict(_unlisted(root, listed))}
    return CaptionedImages(folder, {**facts, **_conversions(decoder)})


class _Listed(NamedTuple):
    name: str
    path: Path
    value: Any
    where: str


def _listed(root: Path, column: str) -> Iterator[_Listed]:
    """The rows of ``metadata.jsonl`` with one column; every name once, every file inside the folder."""
    file = root / METADATA
    if not file.is_file():
        raise StageError(f"{root}: no {METADATA} with rows like {{'file_name': …, {column!r}: …}}")
    content = files_of(root)
    seen: set[str] = set()
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        where = f"{file}:{number}"
        try:
            row = json.loads(line)
            name = row["file_name"]
            path = root / name
        except (ValueError, KeyError, TypeError) as e:
            raise StageError(f"{where}: not a row of an image ({type(e).__name__}: {e})") from None
        if column not in row:
            raise StageError(f"{where}: no {column!r}, only {', '.join(row)}{nearest(column, row)}")
        if name in seen:
            raise StageError(f"{where}: {name} a second time")
        inside = os.path.normpath(name)
        if os.path.isabs(inside) or inside.startswith(".."):
            raise StageError(f"{where}: {name} leads out of the folder")
        if not path.is_file():
            raise StageError(f"{where}: no file {name}")
        if inside not in content:
            raise StageError(f"{where}: {name} is hidden, which keeps it out of what the folder is known by")
        seen.add(name)
        yield _Listed(name, path, row[column], where)
    if not seen:
        raise StageError(f"{file}: no rows")


def _text(value: Any, column: str, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise StageError(f"{where}: {column} must be a class's name, not {value!r:.60}")
    return value


def _unlisted(root: Path, listed: dict[str, Any]) -> Counter[str]:
    """Files that ``metadata.jsonl`` does not name, by suffix."""
    others = files_of(root).keys() - listed.keys() - {METADATA}
    return Counter(Path(name).suffix or name for name in others)


def _conversions(decoder: Decoder) -> dict[str, Json]:
    decoder.check_used()
    return {"converted": dict(decoder.converted)}
