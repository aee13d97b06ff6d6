"""Classification metrics from stored per-item logits, so scoring again needs no training and no images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from harness.artifact import Json, Predictions
from harness.compute.influence import jackknife, rows
from harness.errors import StageError
from harness.formats.predictions import read_beside, read_labels
from harness.stage import HigherShare, Items, Lower, Scores, stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Numbers = NDArray[np.float64]

FILE = "predictions.parquet"
MACRO = {"average_accuracy": "recall", "f1_macro": "f1", "jaccard": "jaccard"}
"""Field → the per-class ratio that it is the mean of."""


@dataclass(frozen=True, kw_only=True)
class ClassificationScores(Scores):
    """Scores for C classes and N items; every field but the loss is in [0, 1].

    TorchGeo logs ``OverallAccuracy`` (micro), ``AverageAccuracy`` (macro), ``F1Score`` (micro) and
    ``JaccardIndex`` (macro). Papers that report TorchGeo's figures report these.
    """

    overall_accuracy: HigherShare
    """Share of items whose largest logit is the label's; if logits are equal, the first counts."""
    average_accuracy: HigherShare
    """Mean of the classes' recalls (macro)."""
    f1_micro: HigherShare
    """TorchGeo's F1Score. With one label per item it equals the overall accuracy."""
    f1_macro: HigherShare
    """Mean of the classes' F1."""
    jaccard: HigherShare
    """TorchGeo's JaccardIndex: mean of the classes' intersection over union (macro)."""
    loss: Lower
    """Mean cross-entropy in nats."""


@stage(version=1, software=("numpy",))
def scores(predictions: Predictions) -> ClassificationScores:
    """Overall and average accuracy, F1, Jaccard and loss, with a per-class table and the confusion matrix.

    Macro means are torchmetrics': over the classes that occur or are predicted. A class without items that
    is predicted counts as 0; one that is not predicted either is left out. The details list classes without
    items, and the number of items that the classifier has seen before, if it is recorded.

    The rows of overall accuracy, F1 micro and loss are the items' own values. Those of the macro means are the
    jackknife's: what each mean loses without the item.

    Raises:
        StageError: no items, a logit that is not finite, a number of logits other than that of the classes, a label
            outside the classes.
    """
    import numpy as np

    classes = predictions.facts["classes"]
    assert isinstance(classes, list)
    item, labels, logits = _read(predictions, len(classes))
    predicted = logits.argmax(axis=1)
    hits = (predicted == labels).astype(float)
    top = logits.max(axis=1, keepdims=True)  # so that no exponential overflows
    losses = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0] - logits[np.arange(len(labels)), labels]
    confusion = _confusion(labels, predicted, len(classes))
    table = _per_class(confusion)
    macro = {name: float(column[_counted(confusion)].mean()) for name, column in table.items()}
    overall = float(hits.mean())
    support = confusion.sum(axis=1).tolist()
    columns = {"overall_accuracy": hits.tolist(), "f1_micro": hits.tolist(), "loss": losses.tolist()}
    if len(item) > 1:
        without = _without_each(confusion, labels, predicted)
        columns |= {
            field: rows(macro[name], jackknife(without[name].tolist())) for field, name in MACRO.items()
        }
    return ClassificationScores(
        overall_accuracy=overall,
        average_accuracy=macro["recall"],
        f1_micro=overall,
        f1_macro=macro["f1"],
        jaccard=macro["jaccard"],
        loss=float(losses.mean()),
        items=Items(item, columns),
        steps={"overall_accuracy": 1 / len(item), "f1_micro": 1 / len(item), **smallest_steps(confusion)},
        conditions={"n": len(item)},
        details={
            "per_class": _rows(classes, table, support),
            "confusion": {"classes": classes, "matrix": confusion.tolist()},
            "classes_without_items": [name for name, n in zip(classes, support, strict=True) if n == 0],
            **{
                name: predictions.facts[name] for name in ("seen", "seen_images") if name in predictions.facts
            },
        },
    )


@dataclass(frozen=True, kw_only=True)
class AccuracyScores(Scores):
    """The scores of ``ClassificationScores`` without the loss."""

    overall_accuracy: HigherShare
    average_accuracy: HigherShare
    f1_micro: HigherShare
    f1_macro: HigherShare
    jaccard: HigherShare


@stage(version=1, software=("numpy",))
def accuracies(predictions: Predictions) -> AccuracyScores:
    """The fields of ``classification.scores`` without the loss, for predictions with or without logits.

    If the predictions have clusters, intervals are over clusters. The test set is a condition: scores over other items
    or other labels are incomparable. So a classifier's predictions may come from a file with its own labels.

    Raises:
        StageError: no items, a label or a prediction outside the classes, damaged logits.
    """
    classes = predictions.facts["classes"]
    assert isinstance(classes, list)
    item, labels, predicted, cluster = _read_predicted(predictions, len(classes))
    hits = (predicted == labels).astype(float)
    confusion = _confusion(labels, predicted, len(classes))
    table = _per_class(confusion)
    macro = {name: float(column[_counted(confusion)].mean()) for name, column in table.items()}
    support = confusion.sum(axis=1).tolist()
    columns = {"overall_accuracy": hits.tolist(), "f1_micro": hits.tolist()}
    if len(item) > 1:
        without = _without_each(confusion, labels, predicted)
        columns |= {
            field: rows(macro[name], jackknife(without[name].tolist())) for field, name in MACRO.items()
        }
    return AccuracyScores(
        overall_accuracy=float(hits.mean()),
        average_accuracy=macro["recall"],
        f1_micro=float(hits.mean()),
        f1_macro=macro["f1"],
        jaccard=macro["jaccard"],
        items=Items(item, columns, cluster),
        steps={"overall_accuracy": 1 / len(item), "f1_micro": 1 / len(item), **smallest_steps(confusion)},
        conditions={"n": len(item), "test_set": _test_set(item, [classes[i] for i in labels.tolist()])},
        details={
            "per_class": _rows(classes, table, support),
            "confusion": {"classes": classes, "matrix": confusion.tolist()},
            "classes_without_items": [name for name, n in zip(classes, support, strict=True) if n == 0],
        },
    )


def _test_set(item: Sequence[str], label: Sequence[Json]) -> str:
    """Digest of the items and their labels, in any order."""
    pairs = sorted([name, str(of)] for name, of in zip(item, label, strict=True))
    return sha256(json.dumps(pairs).encode()).hexdigest()[:16]


def _read_predicted(
    predictions: Predictions, classes: int
) -> tuple[list[str], Integers, Integers, list[str] | None]:
    """Item names, labels and predicted classes (N,), and clusters if there are any, checked."""
    import numpy as np

    beside = read_beside(predictions.path)
    if beside.prediction is None:
        item, labels, logits = _read(predictions, classes)
        return item, labels, logits.argmax(axis=1), beside.cluster
    item, label = read_labels(predictions.path)
    if not item:
        raise StageError("no predictions to score")
    for what, column in (("label", label), ("prediction", beside.prediction)):
        for name, index in zip(item, column, strict=True):
            if not 0 <= index < classes:
                raise StageError(f"{name}: {what} {index} of {classes} classes")
    return item, np.array(label), np.array(beside.prediction), beside.cluster


def _confusion(labels: Integers, predicted: Integers, classes: int) -> Integers:
    """Counts, C × C; rows are labels, columns are predictions."""
    import numpy as np

    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def _per_class(confusion: Integers) -> dict[str, Numbers]:
    """Ratios per class; 0 if the denominator is 0.

    They are float64. torchmetrics' own are float32: seven digits, while published figures and the differences of
    paired repeats need more.
    """
    return _ratios(confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0))


def _ratios(hit: Integers, label: Integers, predicted: Integers) -> dict[str, Numbers]:
    """Ratios per class from its counts: items predicted correctly, items of the class, items predicted as the class."""
    import numpy as np

    parts = {
        "precision": (hit, predicted),
        "recall": (hit, label),
        "f1": (2 * hit, label + predicted),
        "jaccard": (hit, label + predicted - hit),
    }
    return {
        name: np.divide(part, whole, out=np.zeros(part.shape), where=whole != 0)
        for name, (part, whole) in parts.items()
    }


def _counted(confusion: Integers) -> NDArray[np.bool_]:
    """Which classes count in macro means: those that occur or are predicted."""
    counted: NDArray[np.bool_] = confusion.sum(axis=0) + confusion.sum(axis=1) > 0
    return counted


def _without_each(confusion: Integers, labels: Integers, predicted: Integers) -> dict[str, Numbers]:
    """The macro means without each of the N items, (N,): equal for items of one cell of the confusion matrix."""
    import numpy as np

    classes = len(confusion)
    cells, place = np.unique(labels * classes + predicted, return_inverse=True)
    one = np.eye(classes, dtype=np.int64)
    of_label, of_prediction = one[cells // classes], one[cells % classes]
    label, prediction = confusion.sum(axis=1) - of_label, confusion.sum(axis=0) - of_prediction
    counted = (label + prediction) > 0
    ratios = _ratios(confusion.diagonal() - of_label * of_prediction, label, prediction)
    return {name: ((r * counted).sum(axis=1) / counted.sum(axis=1))[place] for name, r in ratios.items()}


def smallest_steps(confusion: Integers) -> dict[str, float]:
    """The smallest change of each macro mean if one more item, or one less, is predicted correctly.

    The item was predicted as another class: its own class gains a hit, the other loses a wrong prediction.
    """
    import numpy as np

    hit, label, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    now, nowhere = _ratios(hit, label, predicted), np.inf
    found = {}
    for field, name in MACRO.items():
        own = np.minimum(  # one more hit if there is a miss, one less if there is a hit
            np.where(label > hit, _ratios(hit + 1, label, predicted + 1)[name] - now[name], nowhere),
            np.where(hit > 0, now[name] - _ratios(hit - 1, label, predicted - 1)[name], nowhere),
        )
        other = np.minimum(
            np.where(predicted > hit, _ratios(hit, label, predicted - 1)[name] - now[name], nowhere),
            now[name] - _ratios(hit, label, predicted + 1)[name],
        )[_counted(confusion)]
        found[field] = float(own.min() + other.min()) / int(_counted(confusion).sum())
    return found


def _rows(classes: Sequence[Json], table: dict[str, Numbers], support: Sequence[int]) -> list[Json]:
    """One row per class: precision, recall, F1, Jaccard, and its number of items."""
    columns = {name: column.tolist() for name, column in table.items()}
    return [
        {"class": name, **{n: column[i] for n, column in columns.items()}, "support": support[i]}
        for i, name in enumerate(classes)
    ]


def _read(predictions: Predictions, classes: int) -> tuple[list[str], Integers, Numbers]:
    """Item names, labels (N,) and logits (N, C), checked."""
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(predictions.path / FILE)
    if table.num_rows == 0:
        raise StageError("no predictions to score")
    item = table["item"].to_pylist()
    lengths = pc.fill_null(pc.list_value_length(table["logits"]), 0).to_numpy()
    if (lengths != classes).any():
        at = int((lengths != classes).argmax())
        raise StageError(f"{item[at]}: {lengths[at]} logits for {classes} classes")
    flat = pc.list_flatten(table["logits"]).to_numpy()
    logits = flat.astype(np.float64).reshape(-1, classes)
    broken = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(broken):
        raise StageError(
            f"{item[broken[0]]}: logits that are not finite numbers ({len(broken)} of {len(item)} items)"
        )
    labels = table["label"].to_numpy().astype(np.int64)
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(outside):
        raise StageError(f"{item[outside[0]]}: label {int(labels[outside[0]])} of {classes} classes")
    return item, labels, logits
