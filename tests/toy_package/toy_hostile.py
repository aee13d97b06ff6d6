"""Another author's package in which every text is somebody else's: names of files, classes, captions, errors."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass

import numpy as np

from harness.artifact import GeneratedImages, Scenes
from harness.errors import StageError
from harness.formats.image_folder import Writer, rows
from harness.stage import Count, Higher, Items, Job, Lower, Scores, Seed, stage


@stage(version=1)
def world(*, text: str, count: Count = 8, job: Job) -> Scenes:
    """Grey squares that are called by a text."""
    folder = job.folder()
    with Writer(folder) as out:
        for i in range(count):
            name = f"{i}-{text[:60].replace('/', '_')}.png"
            out.add(np.full((16, 16, 3), 20 * i, np.uint8), name, label=f"{text}{i % 2}", captions=[text])
    return Scenes(folder, {"classes": [f"{text}0", f"{text}1"], text: text, "warnings": [text]})


@stage(version=1)
def paint(world: Scenes, *, text: str, seed: Seed = 0, job: Job) -> GeneratedImages:
    """The same once more; says the text wherever a stage can."""
    folder = job.folder()
    job.log(text)
    warnings.warn(text, stacklevel=1)
    logging.getLogger(text).error(text)
    print(text)
    job.progress(1, 2, text)
    with Writer(folder) as out:
        for i, row in enumerate(rows(world)):
            columns = {"label": row.label, "captions": list(row.captions), "of": row.name, "prompt": text}
            out.add(np.full((16, 16, 3), 20 * i + seed, np.uint8), row.name, **columns)
    return GeneratedImages(folder, {text: [text], "warnings": [text]}, {text: text})


@dataclass(frozen=True, kw_only=True)
class Judged(Scores):
    good: Higher
    bad: Lower


@stage(version=1)
def judge(images: GeneratedImages, *, text: str = "", seed: Seed = 0) -> Judged:
    """Values from nowhere, with items, details and conditions that are called by the text."""
    names = [row.name for row in rows(images)]
    values = [float((7 * i + seed) % 5) for i in range(len(names))]
    mean = sum(values) / len(values)
    table = {"classes": [text, f"{text}2"], "matrix": [[1, 2], [3, 4]]}
    return Judged(
        good=mean,
        bad=-mean,
        items=Items(names, {"good": values}, [text] * len(names)),
        details={text: text, "confusion": table, "worst": [{"item": names[0], "prompt": text}]},
        conditions={f"said {text}": text},
    )


@stage(version=1)
def fail(images: GeneratedImages, *, text: str, own: bool) -> Judged:
    """Fails with the text, and with a byte that is no UTF-8."""
    if own:
        raise StageError(f"{text}\udce9")
    raise ValueError(f"{text}\udce9")
