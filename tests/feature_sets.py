"""Feature vectors as artifacts, for tests of what is computed from them."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from numpy.typing import ArrayLike

from harness.artifact import Features
from harness.formats.features import Writer


def features(root: Path, values: ArrayLike, extractor: str = "sha256:toy") -> Features:
    """Rows of numbers as the features of ``0.png``, ``1.png``, …, in a new folder below ``root``."""
    rows = np.asarray(values, dtype=np.float32)
    rows = rows[:, None] if rows.ndim == 1 else rows
    with Writer(Path(mkdtemp(dir=root)), dim=rows.shape[1], extractor=extractor) as out:
        out.add([f"{i}.png" for i in range(len(rows))], [None] * len(rows), rows)
    return out.features({"network": "toy"})


def cloud(seed: int, count: int, dim: int = 8) -> np.ndarray:
    """``count`` draws of a standard normal distribution, float32."""
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
