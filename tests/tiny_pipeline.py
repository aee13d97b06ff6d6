"""The ``tiny`` pipeline with random weights, for tests: 64 px images, a few seconds to make, so made once."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from jobs import FolderJob

from harness.artifact import Captions, Pipeline, Tokenizer
from harness.stages.data import scenes
from harness.stages.systems.text_to_image import build, train_tokenizer


def tiny_tokenizer(folder: Path) -> Tokenizer:
    """Learnt from 28 scenes' captions, about 900 tokens."""
    made = _tokenizer()
    return Tokenizer(shutil.copytree(made.path, folder / "tokenizer"), facts=made.facts)


def tiny_pipeline(folder: Path, *, seed: int = 0) -> Pipeline:
    """The ``tiny`` architecture, random weights: 64 px images, 8 × 8 latents."""
    made = _pipeline(seed)
    return Pipeline(shutil.copytree(made.path, folder / "pipeline"), facts=made.facts)


@cache
def _tokenizer() -> Tokenizer:
    folder = _folder()
    drawn: Captions = scenes.draw(per_class=4, size=32, job=FolderJob(folder / "scenes"))
    return train_tokenizer((drawn,), vocabulary=900, job=FolderJob(folder / "tokenizer"))


@cache
def _pipeline(seed: int) -> Pipeline:
    return build(_tokenizer(), architecture="tiny", seed=seed, job=FolderJob(_folder()))


def _folder() -> Path:
    """One that goes with this process."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-pipeline-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
