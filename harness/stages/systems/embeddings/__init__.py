"""Text embedders, learnt from a corpus or loaded. They are used to look up passages and to compare prompts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.artifact import Corpus, TextEmbedder
from harness.errors import StageError
from harness.formats.embedder import DESCRIPTION, describe, digest_of, read_description
from harness.sources.hub import Source
from harness.stage import Count, Job, stage

if TYPE_CHECKING:
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


@stage(version=1, software=("scikit-learn", "scipy", "numpy"))
def local(corpus: Corpus, *, dimensions: Count = 256, job: Job) -> TextEmbedder:
    """Learn an embedder by latent semantic analysis of a corpus, in a second for a few hundred pages.

    Two texts are close if their words occur in the same rows of the corpus, so "lake" is close to "river". The embedder
    knows only what is in the corpus. It ignores word order and negation. It is made for one language with spaces
    between words, English above all. Nothing is random.

    Args:
        corpus: rows of a few hundred characters, as ``corpus.chunk`` makes them.
        dimensions: length of the vectors. Fewer dimensions join more words that are only loosely related; a few hundred
            are usual.

    Raises:
        StageError: no text, or too little text for so many dimensions.
    """
    from harness.formats.corpus import read
    from harness.stages.systems.embeddings.latent_semantic import learn

    texts = [row.text for row in read(corpus.path) if row.text.strip()]
    if not texts:
        raise StageError("corpus: no text to learn an embedding from")
    folder = job.folder()
    words = learn(texts, dimensions, folder)
    return TextEmbedder(
        folder,
        facts={"kind": "latent-semantic", "dimensions": dimensions, "words": words, "rows": len(texts)},
    )


@stage(version=1, software=("torch", "transformers", "tokenizers", "sentence-transformers"))
def load(*, source: Source, query_prefix: str | None = None, job: Job) -> TextEmbedder:
    """Load a sentence-transformers model such as all-MiniLM-L6-v2 or bge-small-en-v1.5 and check that it is complete.

    It pools and normalises as specified in its ``modules.json``. It is saved again in fp32. Pickles are never opened,
    and code shipped with the weights is never run.

    Args:
        source: a folder with ``modules.json``: ``org/name@commit``, ``path:…``.
        query_prefix: text that is put before queries; null: as in the model's own settings. BGE's English models have
            it in their model card only: ``"Represent this sentence for searching relevant passages: "``.
        job: provides device, folders and log.

    Raises:
        StageError: a file is missing, damaged or a pickle; a module of the model is not a Transformer, Pooling,
            Normalize or Dense; weights are missing, unexpected, of another shape or not finite.
    """
    from harness.stages.systems.embeddings.sentence_transformer import (
        SentenceEmbedder,
        account,
        check_files,
        read,
        save,
    )

    if not source.path.is_dir():
        raise StageError(f"{source.text}: a file; expected a folder as sentence-transformers saves a model")
    check_files(source.path, source.text)
    account(source.path, source.text)
    network = read(source.path, source.text)
    if len(network.tokenizer) > (rows := network.transformers_model.get_input_embeddings().num_embeddings):
        raise StageError(
            f"{source.text}: its tokenizer has {len(network.tokenizer)} tokens, its network {rows}"
        )
    if query_prefix is not None:
        network.prompts["query"] = query_prefix
    folder = job.folder()
    save(network, folder)
    name = source.repo or source.path.name
    describe(folder, "sentence-transformer", name)
    opened = SentenceEmbedder(network, name, digest_of(folder))
    return TextEmbedder(
        folder,
        facts={
            "kind": "sentence-transformer",
            "dimensions": opened.dimensions,
            "context": opened.context,
            "parameters": sum(weights.numel() for weights in network.parameters()),
            "prompts": dict(network.prompts),
        },
    )


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


def normalised(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of norm 1 in float32; rows of zeros stay so."""
    import numpy as np

    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return (wide / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
