"""What turns texts into vectors, of whatever kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """From texts to vectors of length 1, whose scalar products are cosines. Texts do not influence one another."""

    @property
    def name(self) -> str:
        """What to call it in a report and in a protocol."""

    @property
    def digest(self) -> str:
        """``sha256:`` and 64 hex digits of all its files."""

    @property
    def dimensions(self) -> int:
        """How long a vector is."""

    @property
    def context(self) -> int | None:
        """The most tokens of a text that count; None where all do."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row per text, of shape (N, D) and norm 1; a row of zeros for a text without any known feature."""

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The same for what texts are looked up by: some models want other words put before these."""

    def tokens(self, text: str) -> list[str]:
        """What ``context`` counts, without the marks that a model puts around a text."""


def normalised(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of norm 1 in float32; rows of zeros stay so."""
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return (wide / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
