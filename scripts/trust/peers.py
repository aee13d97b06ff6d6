"""What other tools say of the same artifacts. They give a number; a threshold on it makes the word."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def labels_and_predictions(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Of a ``Predictions`` artifact: both int64 of length N."""
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "predictions.parquet")
    logits = np.array(table["logits"].to_pylist())
    return table["label"].to_numpy(), logits.argmax(axis=1)


def sklearn_balanced_accuracy(folder: Path) -> float:
    from sklearn.metrics import balanced_accuracy_score

    return float(balanced_accuracy_score(*labels_and_predictions(folder)))


def sklearn_accuracy(folder: Path) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(*labels_and_predictions(folder)))


def sklearn_jaccard(folder: Path) -> float:
    from sklearn.metrics import jaccard_score

    return float(jaccard_score(*labels_and_predictions(folder), average="macro"))


def torchmetrics_fid(real: Path, generated: Path) -> float:
    """``FrechetInceptionDistance`` on features that are there already: its network is the identity."""
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    a, b = (torch.from_numpy(np.load(folder / "features.npy")) for folder in (real, generated))
    identity = torch.nn.Identity()
    identity.num_features = a.shape[1]  # type: ignore[assignment]
    metric = FrechetInceptionDistance(feature=identity, input_img_size=(a.shape[1],), normalize=True)
    metric.update(a, real=True)
    metric.update(b, real=False)
    return float(metric.compute())


def lm_eval_perplexity(folder: Path) -> tuple[float, float]:
    """Token perplexity and its standard error over texts, as lm-evaluation-harness computes them.

    Its error is a bootstrap over texts, which knows nothing of documents.
    """
    import random

    import pyarrow.parquet as pq
    from lm_eval.api.metrics import weighted_perplexity

    table = pq.read_table(folder / "likelihoods.parquet")
    pairs = [(-nll, n) for nll, n in zip(table["nll"].to_pylist(), table["tokens"].to_pylist(), strict=True)]
    rng = random.Random(0)
    resampled = [weighted_perplexity(rng.choices(pairs, k=len(pairs))) for _ in range(200)]
    return float(weighted_perplexity(pairs)), float(np.std(resampled, ddof=1))
