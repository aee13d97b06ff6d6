"""Image folders in the layout that ``datasets.load_dataset("imagefolder")`` reads.

``metadata.jsonl`` has one row per image: ``file_name`` (relative), and optionally ``label``, ``captions`` and further
columns. Images are 8-bit RGB PNG: lossless, so a cached image equals the original.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.artifact import Artifact, Json
from harness.errors import StageError
from harness.formats.strict_json import objects

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

METADATA = "metadata.jsonl"


@dataclass(frozen=True)
class Row:
    """One image of a folder."""

    name: str
    """``file_name``: unique in the folder; the item's name in per-item rows."""
    path: Path
    label: str | None
    captions: tuple[str, ...]
    columns: dict[str, Json]
    """All other columns of the row."""


def rows(images: Artifact) -> Iterator[Row]:
    """The rows of an image folder, in file order, one at a time.

    Raises:
        StageError: a row that is not a JSON object or names no file.
    """
    for where, columns in objects(images.path / METADATA):
        name = columns.pop("file_name", None)
        label, captions = columns.pop("label", None), columns.pop("captions", [])
        if not isinstance(name, str):
            raise StageError(f"{where}: not an image row (no file_name)")
        if not isinstance(captions, list):
            raise StageError(f"{where}: captions must be a list of sentences")
        yield Row(name, images.path / name, label, tuple(captions), columns)


def new_file(path: Path) -> Path:
    """Create a file of an image folder, and its folders; two images must never become one file.

    Raises:
        StageError: it exists (on a system that is blind to case, perhaps in another spelling).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.open("xb").close()
    except FileExistsError:
        raise StageError(f"{path.name}: two images have this name; a file would be written over") from None
    return path


class Writer:
    """Writes an image folder row by row, and no file twice; memory use does not grow with the number of images.

    with Writer(job.folder()) as out:
        out.add(pixels, "000.png", label="Water Body", captions=["a lake in a forest"])
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def __enter__(self) -> Writer:
        self._lines = (self.folder / METADATA).open("w", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def add(self, image: Picture | Any, name: str, /, **columns: Json) -> None:
        """Append one image.

        Args:
            image: a PIL image, or an array of uint8 with shape (H, W, 3).
            name: file name below the folder, ending in ``.png``.
            columns: further columns of the row.

        Raises:
            StageError: the folder has a file of that name.
        """
        from PIL import Image

        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture.convert("RGB").save(self._row(name, columns), format="PNG", compress_level=1)

    def copy(self, image: Path, name: str, /, **columns: Json) -> None:
        """Append an image file of another image folder, unchanged; ``name`` and ``columns`` as in ``add``."""
        shutil.copyfile(image, self._row(name, columns))

    def _row(self, name: str, columns: Mapping[str, Json]) -> Path:
        """Write the row of one image; returns the path of its file, new and empty."""
        path = new_file(self.folder / name)
        self._lines.write(json.dumps({"file_name": name, **columns}, ensure_ascii=False) + "\n")
        self.count += 1
        return path
