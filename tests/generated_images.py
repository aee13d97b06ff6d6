"""Image folders as a generator leaves them, made for a test in its own folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from harness.artifact import GeneratedImages, Json, Predictions
from harness.formats.image_folder import Writer, rows

CLASSES = ("Bare Land", "Crop Land", "Water Body")


def structure(seed: int, size: int = 32) -> np.ndarray:
    """A smooth random picture, uint8 (size, size, 3): two of them look nothing alike."""
    coarse = np.random.default_rng(seed).integers(40, 200, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def generated(
    root: Path,
    pictures: Sequence[tuple[str, np.ndarray]] | None = None,
    facts: Mapping[str, Json] | None = None,
    **columns: Any,
) -> GeneratedImages:
    """Images with their classes, a prompt each; three of each class where no pictures are given."""
    pictures = pictures or [(c, structure(i * 3 + j)) for j in range(3) for i, c in enumerate(CLASSES)]
    root.mkdir(parents=True)
    with Writer(root) as out:
        for i, (label, pixels) in enumerate(pictures):
            sentence = f"a {label.lower()} from above, {i}"
            further = {"prompt": f"{sentence}, sharp", **columns}
            out.add(pixels, f"{i:05d}.png", label=label, captions=[sentence], **further)
    return GeneratedImages(root, dict(facts or {}))


def predicted(
    root: Path,
    images: GeneratedImages,
    doubtful: Mapping[str, float],
    classes: Sequence[str] = CLASSES,
) -> Predictions:
    """Logits whose softmax gives an image its own class with the probability named here, else with 0.99."""
    root.mkdir(parents=True)
    found = list(rows(images))
    items, labels, logits = [], [], []
    for row in found:
        own = classes.index(str(row.label))
        probability = doubtful.get(row.name, 0.99)
        others = (1 - probability) / (len(classes) - 1)
        items.append(row.name)
        labels.append(own)
        logits.append([float(np.log(probability if c == own else others)) + 7 for c in range(len(classes))])
    table = pa.table({"item": items, "label": labels, "logits": pa.array(logits, pa.list_(pa.float32()))})
    pq.write_table(table, root / "predictions.parquet")
    return Predictions(root, {"classes": list(classes), "count": len(items)})
