"""The interface of text embedders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """Turns texts into vectors of norm 1, whose scalar products are cosines. Texts do not influence one another."""

    @property
    def name(self) -> str:
        """Name in a report and in a protocol."""

    @property
    def digest(self) -> str:
        """Digest of all its files: ``sha256:`` and 64 hex digits."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    @property
    def context(self) -> int | None:
        """Maximum number of tokens of a text that are used; None if all are."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row per text, of shape (N, D) and norm 1; a row of zeros for a text without any known feature."""

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Like ``embed``, for queries: some models need a prefix before them."""

    def tokens(self, text: str) -> list[str]:
        """The tokens that ``context`` counts, without the special tokens that a model puts around a text."""


def normalised(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of norm 1 in float32; rows of zeros stay so."""
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return (wide / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
