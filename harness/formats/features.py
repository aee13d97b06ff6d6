"""Feature vectors on disk: written row by row, read as a memory map, and loaded whole only on request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from harness.artifact import Features, Json
from harness.errors import StageError
from harness.formats.strict_json import objects

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VALUES = "features.npy"
METADATA = "metadata.jsonl"
CHUNK_BYTES = 2**24
"""How many bytes of a memory map are checked at a time."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """N vectors of D features, in the order of their image folder."""

    items: list[str]
    """The images' ``file_name``s, all different."""
    labels: list[str | None]
    values: NDArray[np.float32]
    """(N, D), a read-only memory map."""
    extractor: str
    """What made the vectors: a digest, and settings that it leaves open (precision, size). Vectors of different
    extractors cannot be compared."""

    @property
    def count(self) -> int:
        return int(self.values.shape[0])

    @property
    def dim(self) -> int:
        return int(self.values.shape[1])


def read(features: Features) -> Vectors:
    """The vectors of a ``Features`` artifact; their values stay on disk until they are used.

    Raises:
        StageError: a file is missing or damaged, or the files do not have one row for each vector.
    """
    import numpy as np

    try:
        values = np.load(features.path / VALUES, mmap_mode="r", allow_pickle=False)
        rows = [row for _, row in objects(features.path / METADATA)]
        items, labels = [str(row["item"]) for row in rows], [row.get("label") for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise StageError(f"{features.path}: not readable as features ({e})") from None
    if values.ndim != 2 or values.dtype != np.float32 or len(values) != len(items):
        raise StageError(
            f"{features.path}: {VALUES} is {values.dtype} of shape {values.shape} for {len(items)} items; "
            "expected float32 with a row for each"
        )
    return Vectors(items, labels, values, str(features.facts["extractor"]))


def pair(real: Features, generated: Features) -> tuple[Vectors, Vectors]:
    """Two sets of vectors that can be compared, in this order.

    Raises:
        StageError: different extractors or dimensions, fewer than two vectors on a side, or a value that is not finite.
    """
    sides = {"real": read(real), "generated": read(generated)}
    one, other = sides.values()
    if one.extractor != other.extractor or one.dim != other.dim:
        raise StageError(
            f"features of different extractors: {_named(real, one)} (real) against "
            f"{_named(generated, other)} (generated)"
        )
    for side, vectors in sides.items():
        if vectors.count < 2:
            raise StageError(f"{vectors.count} {side} feature vectors; at least 2 are needed")
        _check_finite(vectors, side)
    return one, other


def _named(features: Features, vectors: Vectors) -> str:
    network = features.facts.get("network", "an extractor")
    return f"{network} ({vectors.extractor.removeprefix('sha256:')[:12]}, {vectors.dim} features)"


def _check_finite(vectors: Vectors, side: str) -> None:
    for start, rows in chunks(vectors.values):
        broken = _first_broken(rows)
        if broken is not None:
            raise StageError(
                f"{side} features of {vectors.items[start + broken]}: values that are not finite numbers"
            )


def _first_broken(values: NDArray[Any]) -> int | None:
    """The first row with a value that is not finite, or None."""
    import numpy as np

    broken = ~np.isfinite(values).all(axis=1)
    return int(broken.argmax()) if broken.any() else None


def chunks(values: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Blocks of rows, each with the index of its first row, of a few megabytes for any N."""
    step = max(1, CHUNK_BYTES // max(1, values.shape[1] * values.itemsize))
    for start in range(0, values.shape[0], step):
        yield start, values[start : start + step]


class Writer:
    """Writes vectors batch by batch; memory use does not grow with their number.

    with Writer(job.folder(), dim=2048, extractor="sha256:…") as out:
        out.add(["000.png", "001.png"], ["Water Body", None], values)
    return out.features({"network": "inception-v3"})
    """

    def __init__(self, folder: Path, dim: int, extractor: str) -> None:
        self.folder = folder
        self.dim = dim
        self.extractor = extractor
        self.count = 0

    def __enter__(self) -> Writer:
        self._values = (self.folder / VALUES).open("wb")
        self._lines = (self.folder / METADATA).open("w", encoding="utf-8")
        _write_header(self._values, 0, self.dim)
        return self

    def __exit__(self, *_: object) -> None:
        self._values.seek(0)
        _write_header(self._values, self.count, self.dim)
        self._values.close()
        self._lines.close()

    def add(
        self, items: Sequence[str], labels: Sequence[str | None], values: NDArray[np.floating[Any]]
    ) -> None:
        """Append vectors.

        Args:
            items: names of the images.
            labels: classes of the images; None for an image without one.
            values: (n, D), stored as float32.

        Raises:
            StageError: a value that is not finite.
        """
        import numpy as np

        assert values.shape == (len(items), self.dim)
        broken = _first_broken(values)
        if broken is not None:
            raise StageError(f"{items[broken]}: features that are not finite numbers")
        self._values.write(np.ascontiguousarray(values, dtype="<f4").tobytes())
        for item, label in zip(items, labels, strict=True):
            row = {"item": item} if label is None else {"item": item, "label": label}
            self._lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.count += len(items)

    def features(self, facts: Mapping[str, Json]) -> Features:
        """The artifact, after everything is written. ``facts`` are added to its count, dimension and extractor."""
        own: dict[str, Json] = {"count": self.count, "dim": self.dim, "extractor": self.extractor}
        return Features(self.folder, {**own, **facts})


def _write_header(file: BinaryIO, count: int, dim: int) -> None:
    """Write the NumPy header. It has room for a growing first dimension, so a later one can overwrite it."""
    from numpy.lib import format as npy

    npy.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (count, dim)})
