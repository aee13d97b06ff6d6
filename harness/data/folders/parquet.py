"""Image data sets of the hub, in parquet, with a map of their columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.artifact import CaptionedImages, Json, LabelledImages
from harness.data.folders.classes import class_facts
from harness.data.hub import Source
from harness.data.image_folder import Writer
from harness.data.parquet_set import ParquetSet, Place, class_names, count, image_bytes, read, sentences
from harness.data.pixels import Decoder, Resize, Scale
from harness.errors import StageError
from harness.stage import Count, Job, Reading, stage

Columns = Mapping[str, str]


@stage(version=1, software=("pillow",))
def hub(
    *,
    source: Source,
    split: str = "train",
    columns: Reading[Columns] = {"image": "image", "label": "label"},  # noqa: B006
    size: Reading[Count | None] = None,
    resize: Reading[Resize] = "bicubic",
    scale: Reading[Scale | None] = None,
    job: Job,
) -> LabelledImages:
    """A hub data set of images with classes.

    Args:
        source: its folder of parquet files, or one such file (whose split is ``train``).
        split: which of its splits.
        columns: ``image``, ``label`` and any further column to keep → what it is called in the data set.
            Labels are names, or numbers whose names the data set declares (``ClassLabel``).
        size: cut to the middle square and resize to this width and height; null keeps images as they are.
        resize: the filter of that, antialiased.
        scale: the values that become 0 and 255 in images of one channel with more than 8 bits.

    Raises:
        StageError: damaged files, a missing column or split, numbers without names, one class only.
    """
    decoder, folder = Decoder(scale, size, resize), job.folder()
    files = _files(source, split, columns, "label")
    declared = class_names(files[0], columns["label"])
    labels: Counter[str] = Counter()
    total = count(files)
    with Writer(folder) as out:
        for place, row in read(files, columns):
            name = _class(row.pop("label"), declared, place)
            picture = decoder.decode(image_bytes(row.pop("image"), place), place)
            out.add(picture, _name(split, out.count), label=name, **_plain(row, place))
            labels[name] += 1
            job.progress(out.count, total, "images")
    decoder.check_used()
    # Classes that the data set declares and this split lacks would shift every index: they are an error.
    facts = class_facts(labels, declared or sorted(labels), f"{source.text} {split}")
    return LabelledImages(folder, {**facts, "converted": dict(decoder.converted)})


@stage(version=1, software=("pillow",))
def hub_captioned(
    *,
    source: Source,
    split: str = "train",
    columns: Reading[Columns] = {"image": "image", "captions": "captions"},  # noqa: B006
    size: Reading[Count | None] = None,
    resize: Reading[Resize] = "bicubic",
    scale: Reading[Scale | None] = None,
    job: Job,
) -> CaptionedImages:
    """A hub data set of images with sentences about them.

    Args:
        source: its folder of parquet files, or one such file (whose split is ``train``).
        split: which of its splits.
        columns: ``image``, ``captions`` and any further column to keep → what it is called in the data set.
            Captions are a sentence or a list of them.
        size: cut to the middle square and resize to this width and height; null keeps images as they are.
        resize: the filter of that, antialiased.
        scale: the values that become 0 and 255 in images of one channel with more than 8 bits.

    Raises:
        StageError: damaged files, a missing column or split, a row without a sentence.
    """
    decoder, folder = Decoder(scale, size, resize), job.folder()
    files = _files(source, split, columns, "captions")
    total = count(files)
    with Writer(folder) as out:
        for place, row in read(files, columns):
            captions = sentences(row.pop("captions"), place)
            picture = decoder.decode(image_bytes(row.pop("image"), place), place)
            out.add(picture, _name(split, out.count), captions=captions, **_plain(row, place))
            job.progress(out.count, total, "images")
    decoder.check_used()
    return CaptionedImages(folder, {"count": total, "converted": dict(decoder.converted)})


def _files(source: Source, split: str, columns: Columns, needed: str) -> Sequence[Path]:
    for name in ("image", needed):
        if name not in columns:
            raise StageError(f"columns: says nothing of {name!r}; write {name}: <column of the data set>")
    if "file_name" in columns:
        raise StageError("columns: 'file_name' is the name of the image here; call it something else")
    return ParquetSet.open(source.path).files(split)


def _name(split: str, number: int) -> str:
    return f"{split}_{number:06d}.png"


def _class(value: Any, declared: list[str] | None, place: Place) -> str:
    if isinstance(value, str) and value and declared is None:
        return value
    if not isinstance(value, int) or declared is None:
        raise StageError(
            f"{place}: the label is {value!r:.40}; expected a name, or a number with names declared"
        )
    if not 0 <= value < len(declared):
        raise StageError(f"{place}: label {value}, but there are {len(declared)} classes")
    return declared[value]


def _plain(row: Mapping[str, Any], place: Place) -> dict[str, Json]:
    """Further columns, which must be plain: ``label`` too, where it is kept beside captions."""
    for name, value in row.items():
        if not isinstance(value, None | bool | int | float | str | list):
            raise StageError(f"{place}: column {name!r} holds {type(value).__name__}, which cannot be kept")
    return dict(row)
