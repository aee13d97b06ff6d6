"""The ``tiny`` pipeline with random weights, for tests: 64 px images, a few seconds to make."""

from __future__ import annotations

from pathlib import Path

from jobs import FolderJob

from harness.artifact import Captions, Pipeline, Tokenizer
from harness.data import scenes
from harness.systems.text_to_image import build, train_tokenizer


def tiny_tokenizer(folder: Path) -> Tokenizer:
    """Learnt from 28 scenes' captions, about 900 tokens."""
    drawn: Captions = scenes.draw(per_class=4, size=32, job=FolderJob(folder / "scenes"))
    return train_tokenizer((drawn,), vocabulary=900, job=FolderJob(folder / "tokenizer"))


def tiny_pipeline(folder: Path, *, seed: int = 0) -> Pipeline:
    """The ``tiny`` architecture, random weights: 64 px images, 8 × 8 latents."""
    tokenizer = tiny_tokenizer(folder)
    return build(tokenizer, architecture="tiny", seed=seed, job=FolderJob(folder / "pipeline"))
