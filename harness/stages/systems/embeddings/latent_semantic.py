"""Latent semantic analysis: words that occur in the same texts get similar vectors."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

from harness.errors import StageError
from harness.formats.embedder import describe
from harness.stages.systems.embeddings import normalised

WORDS, WEIGHTS = "words.json", "model.safetensors"
_WORD = re.compile(r"[^\W\d_]\w+")
_LEAST_TEXTS = 2
"""Minimum number of texts that a word must occur in; a word of one text is close to that text only."""
_FLAT = 1e-6
"""Directions whose singular value is below this fraction of the largest one are numerical noise."""


class LatentSemantic:
    """TF-IDF of words, projected on the first singular vectors of a corpus (Deerwester et al. 1990).

    The term frequency is 1 + log(count); words in fewer texts weigh more. Words are lower-cased and lose an English
    plural ending. English function words are ignored, and so are words that occur in only one text of the corpus.
    """

    context = None

    def __init__(
        self, words: Sequence[str], idf: NDArray[np.float64], axes: NDArray[np.float32], digest: str
    ):
        """Args: ``words`` of length V; ``idf`` of shape (V,); ``axes`` of shape (D, V), orthonormal rows."""
        self.name = f"latent-semantic-{len(axes)}"
        self.digest = digest
        self.dimensions = len(axes)
        self._axes = axes
        self._weigher = TfidfVectorizer(analyzer=features, sublinear_tf=True, vocabulary=list(words))
        self._weigher.idf_ = idf

    @classmethod
    def open(cls, folder: Path, digest: str) -> LatentSemantic:
        """Open what ``learn`` wrote.

        Raises:
            StageError: a file is missing or damaged, or they do not fit together.
        """
        try:
            words = json.loads((folder / WORDS).read_text(encoding="utf-8"))
            held = load_file(folder / WEIGHTS)
            idf, axes = held["idf"], held["axes"]
        except (OSError, ValueError, KeyError, SafetensorError) as e:
            raise StageError(f"{folder}: cannot be opened as a local embedder ({e})") from None
        if not isinstance(words, list) or idf.shape != (len(words),) or axes.shape[1:] != idf.shape:
            raise StageError(
                f"{folder}: {len(words)} words, weights {idf.shape} and {axes.shape}; they do not fit"
            )
        return cls(words, idf, axes, digest)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder``. A sparse matrix product: bitwise the same for any number of threads."""
        if not texts:
            return np.zeros((0, self.dimensions), np.float32)
        return normalised(self._weigher.transform(texts) @ self._axes.T.astype(np.float64))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder``; queries are treated like any other text."""
        return self.embed(texts)

    def tokens(self, text: str) -> list[str]:
        """Words separated by white space."""
        return text.split()


def learn(texts: Sequence[str], dimensions: int, folder: Path) -> int:
    """Learn from a corpus, write the result into ``folder``, and return the size of its vocabulary.

    The decomposition is exact (ARPACK to machine precision, a fixed start) and its signs are fixed. Across machines
    and numbers of threads it agrees to about ten digits. It is rounded to fewer, so it is nearly always bitwise equal.

    Raises:
        StageError: fewer different texts or words than ``dimensions`` needs.
    """
    weigher = TfidfVectorizer(analyzer=features, sublinear_tf=True, min_df=min(_LEAST_TEXTS, len(texts)))
    try:
        weighted = weigher.fit_transform(texts)
    except ValueError:  # scikit-learn raises it only for an empty vocabulary
        raise StageError(f"corpus: no word is in {_LEAST_TEXTS} of its {len(texts)} rows") from None
    rows, words = weighted.shape
    if dimensions >= min(rows, words):
        raise StageError(
            f"dimensions: {dimensions} of {rows} rows with {words} words in {_LEAST_TEXTS} or more of them; "
            f"there can be {min(rows, words) - 1}"
        )
    svd = TruncatedSVD(dimensions, algorithm="arpack", random_state=0).fit(weighted)
    spread = int((svd.singular_values_ > _FLAT * svd.singular_values_[0]).sum())
    if spread < dimensions:
        raise StageError(f"dimensions: {dimensions}; the corpus repeats itself, and has {spread}")
    axes = svd.components_.round(8).astype(np.float32)
    (folder / WORDS).write_text(
        json.dumps(list(weigher.get_feature_names_out()), ensure_ascii=False), encoding="utf-8"
    )
    save_file({"idf": weigher.idf_.round(12), "axes": axes}, folder / WEIGHTS)
    describe(folder, "latent-semantic", f"latent-semantic-{dimensions}", dimensions=dimensions)
    return int(words)


def features(text: str) -> list[str]:
    """The words of a text that are used, with repetitions: two characters or more, a letter first."""
    return [_singular(word) for word in _WORD.findall(text.lower()) if word not in ENGLISH_STOP_WORDS]


def _singular(word: str) -> str:
    """The weak stemmer of Harman 1991 (How effective is suffixing?), which strips plurals and little else."""
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return f"{word[:-3]}y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    return word[:-1] if word.endswith("s") and not word.endswith(("us", "ss")) else word
