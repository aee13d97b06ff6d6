"""Stages that make artifacts whose quality is known, because it was planted.

The metrics that read them are the harness's own. A *machine* is named by the variable ``PLANTED_MACHINE``: a training
on another machine ends elsewhere, as real ones do.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from harness.artifact import Artifact, Features, LabelledImages, Likelihoods, Predictions
from harness.errors import StageError
from harness.stage import Count, Fraction, Higher, Job, Lower, NonNegative, Scores, Seed, stage

MACHINE = "PLANTED_MACHINE"


class Skill(Artifact):
    """``skill.json``: how good something trained is, ``{"skill": float}``."""


@stage(version=1)
def train(
    *,
    skill: float,
    luck: NonNegative = 0.0,
    deaf: bool = False,
    collapsed: tuple[int, ...] = (),
    seed: Seed = 0,
    job: Job,
) -> Skill:
    """A training that ends at ``skill``, give or take the luck of its seed and of the machine.

    Args:
        skill: the recipe's expected outcome.
        luck: standard deviation of one training.
        deaf: ignore the seed, as a stage with a fault in it does.
        collapsed: seeds under which it ends at 0.2, whatever the recipe.
        seed: of the training.
        job: who runs this.
    """
    import numpy as np

    machine = sum(os.environ.get(MACHINE, "").encode())
    rng = np.random.default_rng([machine, 0 if deaf else seed])
    folder = job.folder()
    ended = 0.2 if seed in collapsed else skill + luck * float(rng.normal())
    (folder / "skill.json").write_text(json.dumps({"skill": ended}))
    return Skill(folder)


@stage(version=1)
def blend(first: Skill, second: Skill, *, job: Job) -> Skill:
    """As good as the mean of two trained parts."""
    folder = job.folder()
    mean = (_skill(first) + _skill(second)) / 2
    (folder / "skill.json").write_text(json.dumps({"skill": mean}))
    return Skill(folder)


@stage(version=1)
def load(*, skill: float, one_document: float = 0.0, job: Job) -> Skill:
    """Something that was trained before: nothing is random.

    Args:
        skill: how good it is.
        one_document: what is added to its loss on the first document alone.
        job: who runs this.
    """
    folder = job.folder()
    (folder / "skill.json").write_text(json.dumps({"skill": skill, "one_document": one_document}))
    return Skill(folder)


@stage(version=1)
def sample(model: Skill, *, noise: NonNegative = 0.0, seed: Seed = 0, job: Job) -> Skill:
    """What a trained generator draws: as good as it is, give or take the luck of the drawing."""
    import numpy as np

    skill = _skill(model) + noise * float(np.random.default_rng(seed).normal())
    folder = job.folder()
    (folder / "skill.json").write_text(json.dumps({"skill": skill}))
    return Skill(folder)


@stage(version=1)
def predict(
    model: Skill,
    *,
    items: Count,
    classes: Count = 7,
    names: str = "item",
    jitter: NonNegative = 0.0,
    job: Job,
) -> Predictions:
    """Predictions of which the share ``skill`` is right: item i is harder than item i - 1 by one step.

    Args:
        model: how many are right, from 0 to 1.
        items: how many there are.
        classes: how many there are; labels go round.
        names: prefix of the items' names: other names are other items.
        jitter: how far the difficulty of an item differs between two models.
        job: who runs this.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    skill = _skill(model)
    order = np.random.default_rng(7).permutation(items)
    own = np.random.default_rng(int(abs(skill) * 1e9)).normal(size=items)
    difficulty = (order + 0.5) / items + jitter * own
    labels = np.arange(items) % classes
    right = difficulty < skill
    logits = np.zeros((items, classes))
    logits[np.arange(items), np.where(right, labels, (labels + 1) % classes)] = 2.0
    folder = job.folder()
    table = pa.table(
        {
            "item": [f"{names}{i:04d}" for i in range(items)],
            "label": labels,
            "logits": pa.array(logits.tolist(), pa.list_(pa.float32())),
        }
    )
    pq.write_table(table, folder / "predictions.parquet")
    return Predictions(folder, {"classes": [f"class {c}" for c in range(classes)], "count": items})


@stage(version=1)
def extract(
    *,
    count: Count,
    dimensions: Count = 8,
    shift: float = 0.0,
    spread: NonNegative = 1.0,
    distinct: Fraction = 1.0,
    names: str = "image",
    extractor: str = "planted",
    seed: Seed = 0,
    job: Job,
) -> Features:
    """Features of ``count`` images: a normal distribution around ``shift``.

    Args:
        count: images.
        dimensions: of a feature vector.
        shift: of every coordinate's mean.
        spread: standard deviation of a coordinate.
        distinct: share of the images that are different; the rest repeat them, as a collapsed generator does.
        names: prefix of the images' names.
        extractor: which network it was.
        seed: of the drawing.
        job: who runs this.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    kept = max(1, round(distinct * count))
    values = rng.normal(shift, spread, (kept, dimensions))[np.arange(count) % kept]
    return _features(values, names, extractor, job)


@stage(version=1)
def copy(of: Features, *, share: Fraction, shift: float = 0.0, seed: Seed = 0, job: Job) -> Features:
    """Features of a generator that copies ``share`` of its images from ``of`` and draws the others like them."""
    import numpy as np

    from harness.formats.features import read

    source = read(of)
    rng = np.random.default_rng(seed)
    values = rng.normal(shift, 1.0, source.values.shape)
    copies = round(share * source.count)
    values[:copies] = source.values[:copies]
    return _features(values, "drawn", source.extractor, job)


@stage(version=1)
def look(images: LabelledImages, *, job: Job) -> Features:
    """Eight means of each image, over stripes from top to bottom: a network that needs no weights."""
    import numpy as np
    from PIL import Image

    from harness.formats.image_folder import rows

    found = []
    for row in rows(images):
        pixels = np.asarray(Image.open(images.path / row.name), dtype=np.float32) / 255
        found.append([float(stripe.std()) for stripe in np.array_split(pixels, 8)])
    return _features(np.array(found), "image", "stripes", job)


def _features(values: object, names: str, extractor: str, job: Job) -> Features:
    import numpy as np

    array = np.asarray(values, dtype=np.float32)
    folder = job.folder()
    np.save(folder / "features.npy", array)
    rows = (json.dumps({"item": f"{names}{i:04d}.png"}) + "\n" for i in range(len(array)))
    (folder / "metadata.jsonl").write_text("".join(rows))
    return Features(folder, {"extractor": extractor, "network": "planted"})


@stage(version=1)
def likelihood(
    model: Skill,
    *,
    documents: Count = 12,
    rows: Count = 10,
    tokens: Count = 50,
    stride: Count = 1,
    job: Job,
) -> Likelihoods:
    """Negative log-likelihoods of documents: ``skill`` nats per token, and each document has its own level.

    Args:
        model: nats per token.
        documents: how many there are.
        rows: texts in each.
        tokens: in each text.
        stride: of the window; part of the metric's meaning.
        job: who runs this.
    """
    import numpy as np

    from harness.formats.likelihoods import Likelihood, write

    rng = np.random.default_rng(11)
    level = rng.normal(0, 0.3, documents)
    level[0] += json.loads((model.path / "skill.json").read_text()).get("one_document", 0.0)
    found = [
        Likelihood(f"d{d:02d}:{r}", f"d{d:02d}", tokens, 4 * tokens, tokens * float(_skill(model) + level[d]))
        for d in range(documents)
        for r in range(rows)
    ]
    folder = job.folder()
    write(folder, found)
    return Likelihoods(folder, {"protocol": f"stride={stride}", "unknown_tokens": 0})


@dataclass(frozen=True, kw_only=True)
class Worth(Scores):
    value: Higher
    """What was planted."""
    lateness: Lower
    """1 - value."""


@stage(version=1)
def worth(model: Skill) -> Worth:
    """One value without items: nothing says how far another would be."""
    return Worth(value=_skill(model), lateness=1 - _skill(model))


@stage(version=1)
def judged(model: Skill, judge: Skill) -> Worth:
    """How good a trained judge finds something."""
    return Worth(value=_skill(model) + _skill(judge), lateness=0.0)


@stage(version=1)
def broken(model: Skill) -> Worth:
    """A score that is not a number."""
    return Worth(value=float("nan"), lateness=0.0)


def _skill(model: Skill) -> float:
    try:
        return float(json.loads((model.path / "skill.json").read_text())["skill"])
    except (OSError, ValueError, KeyError) as e:
        raise StageError(f"{model.path}: no skill in it ({e})") from None


@stage(version=1)
def write(*, path: str, job: Job) -> Skill:
    """Write a text file below the working folder, as somebody else might while a run goes on."""
    Path(path).write_text("The field is flat. " * 60)
    folder = job.folder()
    (folder / "skill.json").write_text(json.dumps({"skill": 1.0}))
    return Skill(folder)
