"""Small image files of every sort, made for a test in its own folder."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from harness.artifact import Artifact
from harness.formats.image_folder import rows
from harness.sources.hub import Found, Source


def source(place: Path) -> Source:
    """A resolved source at a place."""
    return Source(f"path:{place}", place=place, found=Found(place, "sha256:0", "path", None))


def colour(index: int, size: int = 8) -> np.ndarray:
    """RGB noise with a mean that depends on the index; uint8, (size, size, 3)."""
    return np.random.default_rng(index).integers(0, 256, (size, size, 3), dtype=np.uint8)


def png(pixels: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    return out.getvalue()


def class_folders(
    root: Path, classes: Sequence[str] = ("lake", "town"), each: int = 3, size: int = 8
) -> Path:
    """PNG files in one folder per class."""
    for c, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(each):
            (root / name / f"{i}.png").write_bytes(png(colour(c * 100 + i, size)))
    return root


def parquet(file: Path, records: Sequence[dict[str, Any]], features: dict[str, Any] | None = None) -> Path:
    """A parquet file as ``datasets`` writes it: images as bytes and path, features in the metadata."""
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(records))
    if features is not None:
        metadata = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": metadata})
    pq.write_table(table, file, row_group_size=16)
    return file


def pixels(image: Path) -> np.ndarray:
    with Image.open(image) as opened:
        assert opened.mode == "RGB"
        return np.asarray(opened)


def everything(artifact: Artifact) -> dict[str, tuple[Any, ...]]:
    """All that an image folder holds, for telling two apart."""
    return {r.name: (r.label, r.captions, str(r.columns), r.path.read_bytes()) for r in rows(artifact)}
