"""Captioned squares of one colour, and a CLIP model that learns them in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jobs import FolderJob

from harness.artifact import CaptionedImages, ImageTextModel, Tokenizer
from harness.formats.image_folder import Writer
from harness.stages.metrics import alignment

COLOURS = {"red": (200, 30, 30), "green": (30, 190, 40), "blue": (30, 40, 210), "white": (235, 235, 235)}
FIELDS = ("A field that is {0}.", "{0} ground, seen from above.", "This image shows {0} land.")


def pictures(path: Path, captions: list[list[str]], size: int = 32) -> CaptionedImages:
    """One image per list of captions, in the colour that its first caption names, else in grey."""
    generator = np.random.default_rng(0)
    path.mkdir(parents=True)
    with Writer(path) as out:
        for i, sentences in enumerate(captions):
            first = sentences[0].lower() if sentences else ""
            colour = next((rgb for name, rgb in COLOURS.items() if name in first), (120, 120, 120))
            noisy = generator.normal(colour, 30, (size, size, 3)).clip(0, 255).astype(np.uint8)
            out.add(noisy, f"{i:03d}.png", captions=sentences)
    return CaptionedImages(path, facts={"count": len(captions)})


def fields(path: Path, each: int = 4, size: int = 32) -> CaptionedImages:
    """Squares of the four colours, three captions each."""
    return pictures(path, [[f.format(name) for f in FIELDS] for name in COLOURS for _ in range(each)], size)


def train(data: CaptionedImages, tokenizer: Tokenizer, root: Path, **changed) -> ImageTextModel:
    settings = {"patch": 16, "size": 32, "width": 32, "layers": 1, "epochs": 2, "batch_size": 6} | changed
    return alignment.train(data, tokenizer, **settings, job=FolderJob(root))


def weights_of(model: ImageTextModel) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(model.path / "model.safetensors")


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)
