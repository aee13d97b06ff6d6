"""Another author's image generator, in small: pictures come closer to a colour with every step."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from harness.artifact import Artifact, Captions, EncodedPrompts, GeneratedImages, Images, Json, Scenes
from harness.formats.image_folder import Writer, rows
from harness.stage import Count, Higher, Job, Lower, Scores, Seed, stage

COLOURS = {"Water Body": (40, 80, 150), "Bare Land": (170, 130, 90), "Crop Land": (150, 170, 60)}
EVALUATIONS = {"pndm": lambda n: n + 1, "heun": lambda n: 2 * n - 1}
ERROR = {"pndm": 1.0, "ddim": 1.3, "heun": 0.6, "euler": 1.1, "dpmsolver++": 0.7}


class Painter(Artifact):
    """Knows nothing; its facts tell how it was trained."""


@stage(version=1)
def scenes(*, per_class: Count = 4, size: Count = 64, seed: Seed = 0, job: Job) -> Scenes:
    """Noisy squares of the classes' colours, with a sentence each."""
    folder, rng = job.folder(), np.random.default_rng(seed)
    with Writer(folder) as out:
        for label, colour in COLOURS.items():
            for i in range(per_class):
                name = f"{label.lower().replace(' ', '-')}-{i:03d}.png"
                caption = f"{label.lower()} number {i} seen from above, under a clear sky, drawn by hand"
                out.add(_noisy(colour, size, 18.0, rng), name, label=label, captions=[caption])
    return Scenes(folder, {"classes": list(COLOURS)})


@stage(version=1)
def train(*, epochs: Count = 12, lr: float = 0.1, seed: Seed = 0, job: Job) -> Painter:
    """Nothing is learnt, and the loss is known."""
    rng = random.Random(seed)
    history: list[Json] = [
        {
            "step": 10 * i,
            "train_loss": math.exp(-lr * i) + 0.05 * rng.random(),
            "validation_loss": 1.2 * math.exp(-lr * i) + 0.1 if i % 3 == 0 else None,
            "lr": lr,
        }
        for i in range(1, epochs + 1)
    ]
    return Painter(job.folder(), {"history": history})


@stage(version=1)
def encode(painter: Painter, captions: Captions, *, count: Count, seed: Seed = 0, job: Job) -> EncodedPrompts:
    """Draw prompts from captions."""
    folder = job.folder()
    found = list(rows(captions))
    drawn = random.Random(seed).sample(found, count)
    lines = [
        {"file_name": f"{i}", "captions": list(r.captions), "of": r.name, "label": r.label}
        for i, r in enumerate(drawn)
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return EncodedPrompts(folder)


@stage(version=1)
def paint(
    painter: Painter,
    learnt: Scenes,
    prompts: EncodedPrompts,
    *,
    scheduler: Literal["pndm", "ddim", "heun", "euler", "dpmsolver++"] = "pndm",
    steps: Count = 10,
    size: Count = 64,
    seed: Seed = 0,
    job: Job,
) -> GeneratedImages:
    """A noisy square per prompt; more steps leave less noise. What was learnt comes before the prompts."""
    folder, error = job.folder(), 200.0 * ERROR[scheduler] / steps
    with Writer(folder) as out:
        for i, row in enumerate(rows(prompts)):
            noise = np.random.default_rng([seed, i])
            label = row.label or ""
            picture = _noisy(COLOURS[label], size, 10.0 + error, noise)
            out.add(picture, f"{i:03d}.png", captions=list(row.captions), label=label, of=row.columns["of"])
    evaluations = EVALUATIONS.get(scheduler, lambda n: n)(steps)
    return GeneratedImages(folder, {"cost": {"evaluations": evaluations}, "error": error})


@stage(version=1)
def closest(images: GeneratedImages, real: Scenes, *, count: Count = 3, job: Job) -> Images:
    """Pairs of pictures side by side."""
    folder = job.folder()
    with Writer(folder) as out:
        for i, (ours, theirs) in enumerate(list(zip(rows(images), rows(real), strict=False))[:count]):
            left, right = (np.asarray(Image.open(r.path)) for r in (ours, theirs))
            gap = np.full((left.shape[0], 4, 3), 255, dtype=np.uint8)
            pair = np.concatenate([left, gap, right], axis=1)
            out.add(pair, f"{i}.png", distance=0.25 * (i + 1), generated=ours.name, training=theirs.name)
    return Images(folder)


@dataclass(frozen=True, kw_only=True)
class Likeness(Scores):
    distance: Lower
    coverage: Higher
    floor: float
    """Of two halves of the real images."""


@stage(version=1)
def likeness(images: GeneratedImages, real: Scenes) -> Likeness:
    """Made up from the error that the pictures were painted with."""
    error = images.facts["error"]
    assert isinstance(error, float)
    first = next(rows(images))
    jitter = float(np.asarray(Image.open(first.path)).std()) / 20
    return Likeness(distance=error + jitter, coverage=math.exp(-error / 20), floor=2.0)


@dataclass(frozen=True, kw_only=True)
class Cost(Scores):
    evaluations: Lower


@stage(version=1)
def cost(images: GeneratedImages) -> Cost:
    """What the pictures took."""
    told = images.facts["cost"]
    assert isinstance(told, dict)
    return Cost(evaluations=float(told["evaluations"]))


@dataclass(frozen=True, kw_only=True)
class Copies(Scores):
    copies: Lower


@stage(version=1)
def copies(pairs: Images) -> Copies:
    """How many pairs there are."""
    return Copies(copies=float(sum(1 for _ in rows(pairs))))


def _noisy(colour: tuple[int, int, int], size: int, spread: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, spread, (size // 4, size // 4, 3)).repeat(4, axis=0).repeat(4, axis=1)
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
