"""Text embedders, learnt from a corpus or loaded. They are used to look up passages and to compare prompts."""

from __future__ import annotations

from harness.artifact import Corpus, TextEmbedder
from harness.errors import StageError
from harness.sources.hub import Source
from harness.stage import Count, Job, stage

__all__ = ["load", "local"]


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
    from harness.formats.embedder import describe, digest_of
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
