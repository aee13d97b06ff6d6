"""An embedder that needs no download: learnt from the corpus that it is for."""

from __future__ import annotations

from harness.artifact import Corpus, TextEmbedder
from harness.errors import StageError
from harness.stage import Count, Job, stage


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
    from harness.data.corpus import table
    from harness.systems.embeddings.latent_semantic import learn

    texts = [row.text for row in table.read(corpus.path) if row.text.strip()]
    if not texts:
        raise StageError("corpus: no text to learn an embedding from")
    folder = job.folder()
    words = learn(texts, dimensions, folder)
    return TextEmbedder(
        folder,
        facts={"kind": "latent-semantic", "dimensions": dimensions, "words": words, "rows": len(texts)},
    )
