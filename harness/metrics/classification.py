"""Classification metrics from stored per-item logits: scoring again needs no training and no images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.artifact import Json, Predictions
from harness.errors import StageError
from harness.stage import Higher, Items, Lower, Scores, stage

FILE = "predictions.parquet"


@dataclass(frozen=True, kw_only=True)
class ClassificationScores(Scores):
    """Of C classes and N items; every field is in [0, 1] but the loss. TorchGeo's own names, made explicit."""

    overall_accuracy: Higher
    """Share of items whose first largest logit is the label (micro)."""
    average_accuracy: Higher
    """Mean of the per-class recalls (macro)."""
    f1_micro: Higher
    """What TorchGeo logs as F1Score. With one label per item it equals the overall accuracy."""
    f1_macro: Higher
    """Mean of the per-class F1."""
    jaccard: Higher
    """Mean of the per-class intersection over union, what TorchGeo logs as JaccardIndex (macro)."""
    loss: Lower
    """Mean cross-entropy in nats."""


@stage(version=1, software=("torch", "torchmetrics"))
def scores(predictions: Predictions) -> ClassificationScores:
    """Overall and average accuracy, F1, Jaccard and loss, with a per-class table and the confusion matrix.

    As torchmetrics has it, a class that neither occurs nor is predicted does not enter the macro means, and one
    that is predicted but does not occur enters them as 0.

    Raises:
        StageError: no items, a logit that is not finite, or a label outside the classes.
    """
    import torch
    from torchmetrics.functional import classification as tm

    item, labels, logits = _read(predictions)
    count = logits.shape[1]
    predicted = logits.argmax(dim=1)  # the first of equal logits
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    hits = (predicted == labels).double()

    def metric(function: Any, average: str) -> float:
        return float(function(predicted, labels, num_classes=count, average=average))

    confusion = tm.multiclass_confusion_matrix(predicted, labels, num_classes=count)
    classes = predictions.facts["classes"]
    return ClassificationScores(
        overall_accuracy=float(hits.mean()),
        average_accuracy=metric(tm.multiclass_accuracy, "macro"),
        f1_micro=metric(tm.multiclass_f1_score, "micro"),
        f1_macro=metric(tm.multiclass_f1_score, "macro"),
        jaccard=metric(tm.multiclass_jaccard_index, "macro"),
        loss=float(losses.mean()),
        items=Items(item, {"overall_accuracy": hits.tolist(), "loss": losses.tolist()}),
        conditions={"n": len(item)},
        details={
            "per_class": _per_class(classes, predicted, labels),
            "confusion": {"classes": classes, "matrix": confusion.tolist()},
        },
    )


def _per_class(classes: Any, predicted: Any, labels: Any) -> list[Json]:
    """One row per class: precision, recall, F1, Jaccard and the number of its items."""
    from torchmetrics.functional import classification as tm

    functions = {
        "precision": tm.multiclass_precision,
        "recall": tm.multiclass_recall,
        "f1": tm.multiclass_f1_score,
        "jaccard": tm.multiclass_jaccard_index,
    }
    columns = {
        n: f(predicted, labels, num_classes=len(classes), average="none") for n, f in functions.items()
    }
    support = labels.bincount(minlength=len(classes))
    return [
        {"class": name, **{n: float(column[i]) for n, column in columns.items()}, "support": int(support[i])}
        for i, name in enumerate(classes)
    ]


def _read(predictions: Predictions) -> tuple[list[str], Any, Any]:
    """Item names, labels (int64, N) and logits (float64, N × C), checked."""
    import numpy as np
    import pyarrow.parquet as pq
    import torch

    table = pq.read_table(predictions.path / FILE)
    classes = predictions.facts["classes"]
    assert isinstance(classes, list)
    if table.num_rows == 0:
        raise StageError("no predictions to score")
    flat = table["logits"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    if flat.size != table.num_rows * len(classes):
        raise StageError(f"{flat.size} logits for {table.num_rows} items of {len(classes)} classes")
    logits = torch.from_numpy(flat.astype(np.float64).reshape(table.num_rows, len(classes)))
    item = table["item"].to_pylist()
    broken = (~logits.isfinite()).any(dim=1).nonzero().flatten().tolist()
    if broken:
        raise StageError(f"{item[broken[0]]}: logits that are not finite numbers ({len(broken)} items)")
    labels = torch.from_numpy(table["label"].to_numpy().astype(np.int64))
    if int(labels.min()) < 0 or int(labels.max()) >= len(classes):
        raise StageError(f"labels {int(labels.min())} to {int(labels.max())}, but {len(classes)} classes")
    return item, labels, logits
