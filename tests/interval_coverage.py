"""How often 90 % intervals over the rows of a metric contain the truth: simulated, for ``docs/statistics.md``.

    python tests/interval_coverage.py

prints the table. The truth of a difference is known where both sides are drawn alike (0), or else from many draws.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feature_sets import features

from harness.artifact import Predictions
from harness.compare import stats
from harness.compute.influence import jackknife, rows
from harness.stage import Scores
from harness.stages.metrics import classification, frechet, kernel, neighbours, sinkhorn
from harness.stages.metrics.prompts.diversity import vendi

Columns = dict[str, list[float]]
Metric = Callable[..., Scores]


class Case(NamedTuple):
    """One line of the table."""

    what: str
    fields: Sequence[str]
    drawn: Callable[[np.random.Generator, Path], tuple[Scores | Columns, ...]]
    """Two systems on the same items (or the same real images), drawn anew: baseline and candidate."""


def _columns(scores: Scores | Columns) -> Mapping[str, Sequence[float]]:
    if isinstance(scores, dict):
        return scores
    assert scores.items is not None
    return scores.items.columns


def coverage(case: Case, repeats: int, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Per field the share of intervals that contain the mean change, and their mean width over the true one."""
    rng = np.random.default_rng(seed)
    changes: dict[str, list[stats.Estimate]] = {f: [] for f in case.fields}
    with TemporaryDirectory() as folder:
        for _ in range(repeats):
            before, after = (_columns(s) for s in case.drawn(rng, Path(folder)))
            for field in case.fields:
                changes[field].append(stats.paired(before[field], after[field]))
    found = {}
    for field, estimates in changes.items():
        truth = np.mean([e.mean for e in estimates])
        held = [low <= truth <= high for low, high in (e.interval() for e in estimates)]
        spread = np.std([e.mean for e in estimates], ddof=1)
        found[field] = float(np.mean(held)), float(np.mean([e.se for e in estimates]) / spread)
    return found


def classified(
    rng: np.random.Generator, folder: Path, count: int, weights: Sequence[float], accuracy: Sequence[float]
) -> tuple[Scores, ...]:
    """Two classifiers on the same items, whose mistakes coincide in part."""
    classes = len(weights)
    labels = rng.choice(classes, count, p=weights)
    hard = rng.random(count)
    sides = []
    for right in accuracy:
        wrong = (labels + rng.integers(1, classes, count)) % classes
        hit = np.where(rng.random(count) < 0.5, hard, rng.random(count)) < right
        logits = np.eye(classes, dtype=np.float32)[np.where(hit, labels, wrong)]
        table = {"item": [str(i) for i in range(count)], "label": labels, "logits": logits.tolist()}
        schema = {"item": pa.string(), "label": pa.int64(), "logits": pa.list_(pa.float32())}
        columns = {n: pa.array(v, schema[n]) for n, v in table.items()}
        pq.write_table(pa.table(columns), folder / classification.FILE)
        names = [str(c) for c in range(classes)]
        sides.append(classification.scores(Predictions(folder, facts={"classes": names})))
    return tuple(sides)


def imagined(
    rng: np.random.Generator,
    folder: Path,
    metric: Metric,
    count: int,
    dim: int,
    spread: float,
    **parameters: float,
) -> tuple[Scores, ...]:
    """Two generators against the same real images; item names coincide, draws do not."""
    falling = np.exp(-3 * np.arange(dim) / dim)
    sides = [rng.normal(size=(count, dim)) * falling * s for s in (1.0, 1.0, spread)]
    real, *generated = (features(folder, values) for values in sides)
    return tuple(metric(real, made, **parameters) for made in generated)


def spoken(rng: np.random.Generator, count: int, dim: int, subjects: int) -> tuple[Columns, ...]:
    """Prompts of one class as vectors around some subjects, of which the candidate knows half."""
    centres = np.random.default_rng(1).normal(size=(subjects, dim))
    sides = []
    for known in (subjects, subjects // 2):
        drawn = centres[rng.integers(known, size=count)] + 0.3 * rng.normal(size=(count, dim))
        vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
        left = [vendi(np.delete(vectors, i, axis=0)) for i in range(count)]
        sides.append({"vendi": rows(vendi(vectors), jackknife(left))})
    return tuple(sides)


MACRO = ("overall_accuracy", "average_accuracy", "f1_macro", "jaccard")
EVEN, FEW = (1 / 7,) * 7, (0.4, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03)
MANIFOLD = ("precision", "recall", "density", "coverage")


def _imagined(
    what: str, fields: Sequence[str], metric: Metric, count: int, dim: int, spread: float, **parameters: float
) -> Case:
    return Case(what, fields, lambda r, f: imagined(r, f, metric, count, dim, spread, **parameters))


CASES = (
    Case("70 items, 7 classes alike", MACRO, lambda r, f: classified(r, f, 70, EVEN, (0.7, 0.7))),
    Case("70 items, small classes", MACRO, lambda r, f: classified(r, f, 70, FEW, (0.7, 0.8))),
    Case("350 items, small classes", MACRO, lambda r, f: classified(r, f, 350, FEW, (0.7, 0.8))),
    _imagined(
        "Fréchet, 100 images, D = 64, alike",
        ("distance", "pca_distance"),
        frechet.distance,
        100,
        64,
        1.0,
        pca=16,
    ),
    _imagined(
        "Fréchet, 250 images, D = 64, duller",
        ("distance", "pca_distance"),
        frechet.distance,
        250,
        64,
        0.8,
        pca=16,
    ),
    _imagined(
        "Fréchet, 100 images, D = 512, duller",
        ("distance", "pca_distance"),
        frechet.distance,
        100,
        512,
        0.8,
        pca=16,
    ),
    _imagined("kernel, 100 images, D = 64, alike", ("distance",), kernel.distance, 100, 64, 1.0),
    _imagined("100 images, D = 16, alike", MANIFOLD, neighbours.manifold, 100, 16, 1.0),
    _imagined("100 images, D = 16, duller", MANIFOLD, neighbours.manifold, 100, 16, 0.7),
    _imagined("100 images, D = 16, alike", ("divergence",), sinkhorn.divergence, 100, 16, 1.0, epsilon=0.5),
    _imagined("100 images, D = 16, duller", ("divergence",), sinkhorn.divergence, 100, 16, 0.7, epsilon=0.5),
    Case("20 prompts of a class", ("vendi",), lambda r, f: spoken(r, 20, 32, 12)),
    Case("60 prompts of a class", ("vendi",), lambda r, f: spoken(r, 60, 32, 12)),
)


def main(repeats: int = 400) -> None:
    """Print the table."""
    print("| what | field | 90 % interval covers | its error over the true one |\n| --- | --- | --- | --- |")
    for case in CASES:
        for field, (held, ratio) in coverage(case, repeats).items():
            print(f"| {case.what} | `{field}` | {100 * held:.0f} % | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
