"""Opens an embedder artifact, ready to compute."""

from __future__ import annotations

from pathlib import Path

from harness.errors import StageError
from harness.formats.embedder import DESCRIPTION, digest_of, read_description
from harness.stages.systems.embeddings.embedder import Embedder


def open_embedder(embedder: Path, device: str) -> Embedder:
    """Open what ``embeddings.local`` or ``embeddings.load`` produced.

    Args:
        embedder: its folder.
        device: a torch device; a local embedder computes on the CPU.

    Raises:
        StageError: it is damaged or not an embedder.
    """
    kind = read_description(embedder)["kind"]
    if kind == "latent-semantic":
        from harness.stages.systems.embeddings.latent_semantic import LatentSemantic

        return LatentSemantic.open(embedder, digest_of(embedder))
    if kind == "sentence-transformer":
        from harness.stages.systems.embeddings.sentence_transformer import SentenceEmbedder

        return SentenceEmbedder.open(embedder, digest_of(embedder), device)
    raise StageError(
        f"{embedder / DESCRIPTION}: kind {kind!r}; expected latent-semantic or sentence-transformer"
    )
