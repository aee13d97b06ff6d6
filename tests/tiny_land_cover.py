"""Tiny labelled image folders, and a classifier trained on them in a second or two."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from jobs import FolderJob

from harness.artifact import LabelledImages
from harness.formats.image_folder import Writer
from harness.sources.content import DigestCache
from harness.sources.hub import Source
from harness.sources.resolve import resolve
from harness.stages.systems import land_cover
from harness.stages.systems.land_cover.weights import Weights

CLASSES = ["Bare Land", "Water Body", "Woody Vegetation"]


def folder(
    path: Path, *, count: int = 6, size: int = 32, seed: int = 0, classes=CLASSES, used=None
) -> LabelledImages:
    """Noise around a colour per class: quick to tell apart, not at once."""
    generator = np.random.default_rng(seed)
    path.mkdir(parents=True)
    with Writer(path) as out:
        for i in range(count):
            for c, name in enumerate(used or classes):
                pixels = generator.normal(90 + 25 * c, 60, (size, size, 3)).clip(0, 255).astype(np.uint8)
                out.add(pixels, f"{c}-{i}.png", label=name)
    return LabelledImages(path, facts={"classes": list(classes)})


def train(images, root: Path, on_progress=None, **changed):
    settings = {"weights": None, "epochs": 2, "batch_size": 6, "seed": 0, "lr": 1e-3} | changed
    return land_cover.train(
        images["train"], images["validation"], **settings, job=FolderJob(root, on_progress)
    )


def weights_of(classifier) -> dict:
    from safetensors.numpy import load_file

    return load_file(classifier.path / land_cover.MODEL)


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def resolved(text: str, mirror: Path | None = None) -> Source:
    """A source as the stages get it."""
    source = Source.from_text(text)
    return resolve(source, mirror=mirror, cache=DigestCache(Path(os.devnull) / "digests"), download=False)


def found(weights: Weights, mirror: Path | None = None) -> Weights:
    """Weights as a run hands them to the stage."""
    return replace(weights, source=resolved(weights.source.text, mirror))


def three_folders(root: Path) -> dict[str, LabelledImages]:
    """Training, validation and test images."""
    return {
        "train": folder(root / "train"),
        "validation": folder(root / "validation", count=2, seed=1),
        "test": folder(root / "test", count=3, seed=2),
    }
