"""Another author's classifier, in small: squares of two colours are told apart by their mean brightness."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from harness.artifact import Classifier, Features, LabelledImages, Predictions
from harness.formats import features
from harness.formats.image_folder import Writer, rows
from harness.formats.strict_table import PLAIN
from harness.stage import Count, Higher, Items, Job, Lower, Scores, Seed, stage

BRIGHTNESS = {"Bare Land": 160, "Water Body": 80}


@stage(version=1)
def draw(*, per_class: Count = 4, noise: float = 30.0, seed: Seed = 0, job: Job) -> LabelledImages:
    """Grey squares, brighter or darker."""
    folder, rng = job.folder(), np.random.default_rng(seed)
    with Writer(folder) as out:
        for label, grey in BRIGHTNESS.items():
            for i in range(per_class):
                level = int(np.clip(grey + rng.normal(0, noise), 0, 255))
                pixels = np.full((16, 16, 3), level, dtype=np.uint8)
                out.add(pixels, f"{label.lower().replace(' ', '-')}-{i:03d}.png", label=label)
    return LabelledImages(folder, {"classes": list(BRIGHTNESS), "count": out.count})


@stage(version=1)
def train(train: LabelledImages, *, epochs: Count = 2, seed: Seed = 0, job: Job) -> Classifier:
    """Learn the brightness between the classes, with some luck."""
    levels = [_level(row.path) for row in rows(train)]
    middle = sum(levels) / len(levels) + random.Random(seed).gauss(0, 8 / epochs)
    folder = job.folder()
    (folder / "classifier.json").write_text(json.dumps({"middle": middle}))
    return Classifier(folder)


@stage(version=1)
def predict(classifier: Classifier, images: LabelledImages, *, job: Job) -> Predictions:
    """Logits of both classes for each image."""
    middle = json.loads((classifier.path / "classifier.json").read_text())["middle"]
    names, labels, logits = [], [], []
    for row in rows(images):
        above = (_level(row.path) - middle) / 40
        names.append(row.name)
        labels.append(list(BRIGHTNESS).index(str(row.label)))
        logits.append([above, -above])
    folder = job.folder()
    schema = pa.schema([("item", pa.string()), ("label", pa.int64()), ("logits", pa.list_(pa.float32()))])
    parquet.write_table(
        pa.table([names, labels, logits], schema=schema), folder / "predictions.parquet", **PLAIN
    )
    return Predictions(folder, {"classes": list(BRIGHTNESS), "count": len(names)})


@stage(version=1)
def describe(images: LabelledImages, *, job: Job) -> Features:
    """The mean colour of each image, as three features."""
    with features.Writer(job.folder(), dim=3, extractor="sha256:" + "0" * 64) as out:
        for row in rows(images):
            out.add([row.name], [row.label], np.asarray([[_level(row.path)] * 3], dtype=np.float32))
    return out.features({"network": "mean colour"})


@dataclass(frozen=True, kw_only=True)
class ClassScores(Scores):
    overall_accuracy: Higher
    loss: Lower


@stage(version=1)
def score(predictions: Predictions) -> ClassScores:
    """Accuracy and loss of predictions."""
    table = parquet.read_table(predictions.path / "predictions.parquet").to_pydict()
    logits, labels = np.asarray(table["logits"], dtype=np.float64), np.asarray(table["label"])
    right = (logits.argmax(axis=1) == labels).astype(float)
    chosen = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    loss = np.log(np.exp(logits).sum(axis=1)) - chosen
    items = Items(table["item"], {"overall_accuracy": right.tolist(), "loss": loss.tolist()})
    return ClassScores(
        overall_accuracy=float(right.mean()),
        loss=float(loss.mean()),
        items=items,
        steps={"overall_accuracy": 1 / len(right)},
    )


@dataclass(frozen=True, kw_only=True)
class Spread(Scores):
    deviation: float


@stage(version=1)
def spread(features: Features) -> Spread:
    """How far features of images are apart: it reads what no predictions are made from."""
    values = np.load(features.path / "features.npy")
    return Spread(deviation=float(values.std()))


def _level(path: object) -> float:
    with Image.open(str(path)) as image:
        return float(np.asarray(image).mean())
