"""From text to vector: learnt from a corpus, or loaded; what passages are looked up and prompts are compared by."""

from __future__ import annotations

from harness.artifact import Corpus, TextEmbedder
from harness.errors import StageError
from harness.sources.hub import Source
from harness.stage import Count, Job, stage

__all__ = ["load", "local"]


@stage(version=1, software=("scikit-learn", "scipy", "numpy"))
def local(corpus: Corpus, *, dimensions: Count = 256, job: Job) -> TextEmbedder:
    """Latent semantic analysis of a corpus, in a second for some hundred pages.

    Texts are near one another whose words occur in the same rows of the corpus, so "lake" is near "river". It knows
    nothing that the corpus does not say, neither the order of words nor a negation, and is made for one language with
    spaces between words, English above all. Nothing is drawn at random.

    Args:
        corpus: rows of some hundred characters, as ``corpus.chunk`` makes them.
        dimensions: of the vectors. Fewer join more words that are only loosely related; a few hundred are usual.

    Raises:
        StageError: no text, or too little for so many dimensions.
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
    """A sentence-transformers model such as all-MiniLM-L6-v2 or bge-small-en-v1.5, every weight accounted for.

    It pools and normalises as its own ``modules.json`` says, and is written anew, in fp32. Pickles are never opened,
    code beside the weights is never run.

    Args:
        source: a folder with ``modules.json``: ``org/name@commit``, ``path:…``.
        query_prefix: what is put before what passages are looked up by, where the model's own settings do not say it;
            null leaves it to them. BGE's English models say it in their card alone: ``"Represent this sentence for
            searching relevant passages: "``.
        job: the runner's side.

    Raises:
        StageError: a file is missing, damaged or a pickle; a part of the model is of another kind than Transformer,
            Pooling, Normalize or Dense; weights are missing, too many, of another shape or not finite.
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
