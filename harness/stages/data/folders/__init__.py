"""Users' own images as artifacts: image folders, hub data sets, TorchGeo data sets, GeoTIFFs.

Nothing is skipped silently: unread files are counted in the facts, unreadable ones are an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from harness.artifact import CaptionedImages, Json, LabelledImages
from harness.errors import StageError
from harness.formats.image_folder import METADATA, Writer
from harness.formats.names import png_names
from harness.formats.pixels import Decoder, Resize, Scale
from harness.sources.content import passed_over
from harness.sources.hub import Source
from harness.sources.parquet_set import ParquetSet, Place, class_names, count, image_bytes, read, sentences
from harness.stage import Count, Job, Reading, stage
from harness.stages.data.folders.by_class import by_class
from harness.stages.data.folders.geotiffs import geotiff
from harness.stages.data.folders.labels import class_facts, relabel, split
from harness.stages.data.folders.listed import list_of, listed, unlisted
from harness.stages.data.folders.torchgeo_sets import torchgeo

__all__ = ["captioned", "geotiff", "hub", "hub_captioned", "images", "relabel", "split", "torchgeo"]


SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".jp2"})


class Encoded(NamedTuple):
    """An image to decode, and its row in the image folder to write."""

    image: Path | bytes
    where: object
    """Names the image in messages."""
    name: str
    columns: Mapping[str, Json]
    output: str = ""


def write_decoded(
    images: Iterable[Encoded], outputs: Mapping[str, Path], total: int, decoder: Decoder, job: Job
) -> dict[str, Json]:
    """Decode images, and write each into the folder of its output.

    Args:
        images: taken one at a time.
        outputs: the folders by name of the output.
        total: number of images.

    Returns:
        The fact ``converted``.

    Raises:
        StageError: a damaged image, or a ``scale`` that had no effect.
    """
    with ExitStack() as stack:
        writers = {output: stack.enter_context(Writer(folder)) for output, folder in outputs.items()}
        for done, (image, where, name, columns, output) in enumerate(images, start=1):
            writers[output].add(decoder.decode(image, where), name, **columns)
            job.progress(done, total, "images")
    decoder.check_used()
    return {"converted": dict(decoder.converted)}


@stage(version=1, software=("pillow",))
def images(
    *,
    source: Source,
    label: Reading[str] = "label",
    level: Reading[Count | None] = None,
    size: Reading[Count | None] = None,
    resize: Reading[Resize] = "bicubic",
    scale: Reading[Scale | None] = None,
    job: Job,
) -> LabelledImages:
    """A folder of images with their classes.

    If there is a ``metadata.jsonl`` (or ``.csv``, ``.parquet``), its rows name the images and their classes; else there
    is one folder per class. Classes are in alphabetical order. docs/data.md has what is done with odd files.

    Args:
        source: the folder.
        label: the column of ``metadata.jsonl`` that has the class's name.
        level: which folder on the way to an image is its class, 1 for the first. Null if images lie directly in their
            class's folder; ``train/`` and ``test/`` are no classes. With a level, lists of labels are not read.
        size: crop to the central square and resize to this width and height; null keeps images as they are.
        resize: the resize filter, antialiased.
        scale: the values that become 0 and 255 in images of one channel with more than 8 bits.

    Raises:
        StageError: a damaged image, an image without a class, a class without images, one class only.
    """
    decoder, root, folder = Decoder(scale, size, resize), source.path, job.folder()
    if level is None and list_of(root) is not None:
        listing = list(listed(root, label))
        rows = {row.name: (_text(row.value, label, row.where), row.path) for row in listing}
        classes = sorted({name for name, _ in rows.values()})
        others = unlisted(root, rows)
    else:
        if label != "label":
            why = "level makes the folders the classes" if level else f"{root} has no {METADATA} with columns"
            raise StageError(f"label: {why}, only folders; remove it")
        rows, classes, unread = by_class(source, SUFFIXES, level)
        others = {"unread": dict(unread)}
    names, labels = png_names(rows), Counter(name for name, _ in rows.values())
    facts = class_facts(labels, classes, root)
    found = (Encoded(path, path, names[name], {"label": label}) for name, (label, path) in rows.items())
    converted = write_decoded(found, {"": folder}, len(rows), decoder, job)
    return LabelledImages(folder, {**facts, **converted, **others, **passed_over(root)})


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
    """A folder of images with captions, listed in ``metadata.jsonl`` (or ``.csv``, ``.parquet``).

    Args:
        source: the folder.
        captions: the column that has a sentence, or a list of them (``text`` in many hub data sets).
        size: crop to the central square and resize to this width and height; null keeps images as they are.
        resize: the resize filter, antialiased.
        scale: the values that become 0 and 255 in images of one channel with more than 8 bits.

    Raises:
        StageError: no ``metadata.jsonl``, a damaged image, an image without a sentence.
    """
    decoder, root, folder = Decoder(scale, size, resize), source.path, job.folder()
    rows = {row.name: row for row in listed(root, captions)}
    names = png_names(rows)
    found = (
        Encoded(row.path, row.path, names[name], {"captions": _sentences(row.value, captions, row.where)})
        for name, row in rows.items()
    )
    converted = write_decoded(found, {"": folder}, len(rows), decoder, job)
    facts: dict[str, Json] = {"count": len(rows), **unlisted(root, rows), **converted, **passed_over(root)}
    return CaptionedImages(folder, facts)


def _sentences(value: Any, column: str, where: object) -> list[Json]:
    found = sentences(value, where)
    if not any(map(str.strip, found)):
        raise StageError(f"{where}: {column} is blank; expected a sentence")
    return list(found)


def _text(value: Any, column: str, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise StageError(f"{where}: {column} must be a class's name, not {value!r:.60}")
    return value


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
        split: the split to read.
        columns: ``image``, ``label`` and any further column to keep → its name in the data set.
            Labels are names, or numbers whose names the data set declares (``ClassLabel``).
        size: crop to the central square and resize to this width and height; null keeps images as they are.
        resize: the resize filter, antialiased.
        scale: the values that become 0 and 255 in images of one channel with more than 8 bits.

    Raises:
        StageError: damaged files, a missing column or split, numbers without names, one class only.
    """
    decoder, folder = Decoder(scale, size, resize), job.folder()
    files = _files(source, split, columns, "label")
    declared = class_names(files[0], columns["label"])
    labels: Counter[str] = Counter()

    def own(row: dict[str, Any], place: Place) -> dict[str, Json]:
        name = _class(row.pop("label"), declared, place)
        labels[name] += 1
        return {"label": name}

    converted = write_decoded(_rows(files, split, columns, own), {"": folder}, count(files), decoder, job)
    # A declared class that is missing from this split would shift every index, so it is an error.
    facts = class_facts(labels, declared or sorted(labels), f"{source.text} {split}")
    return LabelledImages(folder, {**facts, **converted, **passed_over(source.path)})


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
    """A hub data set of images with captions.

    Args:
        source: its folder of parquet files, or one such file (whose split is ``train``).
        split: the split to read.
        columns: ``image``, ``captions`` and any further column to keep → its name in the data set.
            Captions are a sentence or a list of them.
        size: crop to the central square and resize to this width and height; null keeps images as they are.
        resize: the resize filter, antialiased.
        scale: the values that become 0 and 255 in images of one channel with more than 8 bits.

    Raises:
        StageError: damaged files, a missing column or split, a row without a sentence.
    """
    decoder, folder = Decoder(scale, size, resize), job.folder()
    files = _files(source, split, columns, "captions")
    total = count(files)

    def own(row: dict[str, Any], place: Place) -> dict[str, Json]:
        return {"captions": _sentences(row.pop("captions"), columns["captions"], place)}

    converted = write_decoded(_rows(files, split, columns, own), {"": folder}, total, decoder, job)
    return CaptionedImages(folder, {"count": total, **converted, **passed_over(source.path)})


def _files(source: Source, split: str, columns: Columns, needed: str) -> Sequence[Path]:
    for name in ("image", needed):
        if name not in columns:
            raise StageError(f"columns: says nothing of {name!r}; write {name}: <column of the data set>")
    if "file_name" in columns:
        raise StageError("columns: 'file_name' is the name of the image here; call it something else")
    return ParquetSet.open(source.path).files(split)


def _rows(
    files: Sequence[Path],
    split: str,
    columns: Columns,
    own: Callable[[dict[str, Any], Place], dict[str, Json]],
) -> Iterator[Encoded]:
    """The images of a split. ``own`` takes the label or the captions out of a row, checked; other columns are kept."""
    for number, (place, row) in enumerate(read(files, columns)):
        image, first = image_bytes(row.pop("image"), place), own(row, place)
        yield Encoded(image, place, f"{split}_{number:06d}.png", {**first, **_plain(row, place)})


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
    """Further columns, which must hold plain values; this includes ``label`` where it is kept along with captions."""
    for name, value in row.items():
        if not isinstance(value, None | bool | int | float | str | list):
            raise StageError(f"{place}: column {name!r} holds {type(value).__name__}, which cannot be kept")
    return dict(row)
