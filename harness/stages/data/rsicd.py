"""RSICD: 10,921 aerial images of 30 classes with five sentences each, in the layout of ``arampacha/rsicd``.

Columns ``filename``, ``captions``, ``image``; splits train, valid, test. The class of an image is its file
name up to the last underscore (``rsicd_images/pond_52.jpg``: pond); some file names are only a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from harness.artifact import CaptionedImages, Json
from harness.compute.seeds import drawn
from harness.errors import StageError
from harness.formats.opening import Units
from harness.formats.pixels import Decoder, Resize
from harness.sources.content import passed_over
from harness.sources.hub import Source
from harness.sources.parquet_set import ParquetSet, Place, count, image_bytes, read, sentences
from harness.stage import Count, Job, Reading, Seed, stage
from harness.stages.data.folders import Encoded, write_decoded

if TYPE_CHECKING:
    from PIL.Image import Image


class Split(NamedTuple):
    train: CaptionedImages
    test: CaptionedImages


class Published(NamedTuple):
    train: CaptionedImages
    validation: CaptionedImages
    test: CaptionedImages


@stage(version=1, software=("pillow",))
def load(
    *, source: Source, size: Reading[Count] = 224, resize: Reading[Resize] = "bicubic", job: Job
) -> CaptionedImages:
    """All of RSICD, its three splits pooled: for suites that change the classes before they split.

    Args:
        source: the data set's folder of parquet files.
        size: width and height in pixels.
        resize: the filter, antialiased; images that already have the size are left as they are.

    Raises:
        StageError: damaged files, another schema, or a blank caption.
    """
    files = ParquetSet.open(source.path).every_file
    return _write(files, {"": _captions(files)}, _EightBit(size=size, resize=resize), job, source.path)[""]


@stage(version=1, software=("pillow",))
def split(
    *,
    source: Source,
    size: Reading[Count] = 224,
    resize: Reading[Resize] = "bicubic",
    held_out: Count = 500,
    seed: Seed = 0,
    job: Job,
) -> Split:
    """Pool RSICD's three splits and hold out images at random, as the paper did.

    Args:
        source: the data set's folder of parquet files.
        size: width and height in pixels.
        resize: the filter, antialiased; images that already have the size are left as they are.
        held_out: how many images go to ``test``; the others go to ``train``.
        seed: decides which images are held out.

    Raises:
        StageError: damaged files, another schema, a blank caption, or ``held_out`` not below the number of images.
    """
    files = ParquetSet.open(source.path).every_file
    captions = _captions(files)
    if held_out >= len(captions):
        raise StageError(f"held_out: {held_out} of {len(captions)} images leaves nothing to train on")
    order = drawn(captions, seed)
    drawn_sides = {"train": order[held_out:], "test": order[:held_out]}
    sides = {side: {name: captions[name] for name in names} for side, names in drawn_sides.items()}
    return Split(**_write(files, sides, _EightBit(size=size, resize=resize), job, source.path))


@stage(version=1, software=("pillow",))
def published(
    *, source: Source, size: Reading[Count] = 224, resize: Reading[Resize] = "bicubic", job: Job
) -> Published:
    """RSICD with the splits that its authors published, which most of the literature reports on.

    Args:
        source: the data set's folder of parquet files.
        size: width and height in pixels.
        resize: the filter, antialiased; images that already have the size are left as they are.

    Raises:
        StageError: damaged files, another schema, a blank caption, a missing split, an image in two splits.
    """
    found = ParquetSet.open(source.path)
    validation = "valid" if "valid" in found.splits else "validation"
    splits = {"train": "train", "validation": validation, "test": "test"}
    files = {side: found.files(name) for side, name in splits.items()}
    sides = {side: _captions(shards) for side, shards in files.items()}
    everything = [file for shards in files.values() for file in shards]
    name, sightings = Counter(name for side in sides.values() for name in side).most_common(1)[0]
    if sightings > 1:
        raise StageError(f"{source.path}: {PurePosixPath(name).stem} is in more than one published split")
    return Published(**_write(everything, sides, _EightBit(size=size, resize=resize), job, source.path))


Captions = dict[str, list[str]]
"""The captions of each image, by its name in the artifact."""


def _name(row: Mapping[str, object], place: Place) -> str:
    """An image's name in the artifact: its file name without folder, as PNG."""
    filename = row["filename"]
    if not isinstance(filename, str) or not PurePosixPath(filename).stem:
        raise StageError(f"{place}: filename is {filename!r:.60}, not a file name")
    return f"{PurePosixPath(filename).stem}.png"


def _captions(files: Sequence[Path]) -> Captions:
    """The captions of each image: those of its first row, and any new ones from repeated rows."""
    found: Captions = {}
    for place, row in read(files, {"filename": "filename", "captions": "captions"}):
        captions = sentences(row["captions"], place)
        if not all(caption.strip() for caption in captions):
            raise StageError(f"{place}: a blank caption of {row['filename']}")
        kept = found.setdefault(_name(row, place), [])
        kept += captions if not kept else [c for c in dict.fromkeys(captions) if c not in kept]
    return found


class _EightBit(Decoder):
    """A decoder that does not advise to set ``scale``, because RSICD needs none."""

    def _scaled(self, image: Image, units: Units, where: object) -> Image:
        raise StageError(
            f"{where}: more than 8 bits per pixel, which RSICD's images have not; "
            "for another data set use folders.hub_captioned, with its scale"
        )


def _write(
    files: Sequence[Path], sides: Mapping[str, Captions], decoder: Decoder, job: Job, place: Path
) -> dict[str, CaptionedImages]:
    """Write every image once, into the folder of its side."""
    side_of = {name: side for side, captions in sides.items() for name in captions}
    folders = {side: job.folder(side) for side in sides}

    def found() -> Iterator[Encoded]:
        for name, image, where in _images(files):
            side = side_of[name]
            label = class_of(name)
            columns: dict[str, Json] = {"label": label} if label else {}
            yield Encoded(image, where, name, {"captions": sides[side][name], **columns}, side)

    converted = write_decoded(found(), folders, len(side_of), decoder, job)
    shared: dict[str, Json] = {"repeated": count(files) - len(side_of), **converted, **passed_over(place)}
    return {side: CaptionedImages(folders[side], _facts(names) | shared) for side, names in sides.items()}


def _images(files: Sequence[Path]) -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes and place of every image, once. A repeated file name must be the same image."""
    digests: dict[str, bytes] = {}
    for place, row in read(files, {"filename": "filename", "image": "image"}):
        name, image = _name(row, place), image_bytes(row["image"], place)
        digest = sha256(image).digest()
        if name not in digests:
            digests[name] = digest
            yield name, image, f"{place}, {row['filename']}"
        elif digests[name] != digest:
            raise StageError(f"{place}: {row['filename']} comes a second time, with another image")


def _facts(names: Iterable[str]) -> dict[str, Json]:
    classes = Counter(class_of(name) for name in names)
    named = sorted(label for label in classes if label is not None)
    return {"count": classes.total(), "classes": named, "unlabelled": classes[None]}


def class_of(name: str) -> str | None:
    """The class in a file name: the part up to its last underscore; None if that part has no letters."""
    label = PurePosixPath(name).stem.rpartition("_")[0]
    return label if any(c.isalpha() for c in label) else None
