"""Measurements for the checks from a tokenizer, an embedder and the other prompts, computed once for all prompts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.artifact import ImageTextModel, TextEmbedder, Tokenizer
from harness.errors import StageError
from harness.stages.metrics.prompts.words import Twin, shingles, words

if TYPE_CHECKING:
    from harness.formats.prompts import Prompt

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Maps N texts to float32 (N, D), rows of norm 1, or 0 for a text of which no word is known."""
_BATCH = 64


def spans_of(tokenizer: Tokenizer) -> Callable[[str], Sequence[tuple[int, int]]]:
    """A function that gives the character span of each token of a text, start and end tokens included.

    Raises:
        StageError: the folder holds no CLIP tokenizer.
    """
    from transformers import CLIPTokenizer

    files = {path.name for path in tokenizer.path.iterdir()}
    if not ({"vocab.json", "merges.txt"} <= files or "tokenizer.json" in files):  # else it would know no word
        raise StageError(
            "tokenizer: not a CLIP tokenizer (neither vocab.json with merges.txt nor tokenizer.json)"
        )
    try:
        for file in sorted(tokenizer.path.glob("*.json")):
            json.loads(file.read_bytes())  # the library has no exception of its own for a damaged file
        opened = CLIPTokenizer.from_pretrained(tokenizer.path, local_files_only=True)
    except (ValueError, KeyError, TypeError, OSError) as e:
        raise StageError(f"tokenizer: not a CLIP tokenizer ({str(e).splitlines()[0]})") from None

    def spans(text: str) -> Sequence[tuple[int, int]]:
        encoded = opened(text, return_offsets_mapping=True, verbose=False)
        return [(int(start), int(end)) for start, end in encoded["offset_mapping"]]

    return spans


def embedding(embedder: TextEmbedder, device: str) -> tuple[str, Embed]:
    """The embedder's name and its embedding function."""
    from harness.stages.systems.embeddings import open_embedder

    opened = open_embedder(embedder.path, device)
    return opened.name, opened.embed


def judging(judge: ImageTextModel, device: str) -> tuple[str, Embed]:
    """Name and embedding function of an image-text model's text encoder; texts are cut to its length."""
    from harness.stages.metrics.alignment.dual_encoder import open_encoder

    encoder = open_encoder(judge.path, "the judge", device)

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        ids = encoder.tokens(texts).ids
        made = [encoder.sentences(ids[i : i + _BATCH]).numpy() for i in range(0, len(ids), _BATCH)]
        return np.concatenate(made)

    config = encoder.network.config
    return f"{config.model_type}, {encoder.network.num_parameters()} parameters", embed


def with_classes(
    prompts: Sequence[Prompt], names: Mapping[str, Sequence[str]], embed: Embed
) -> dict[str, dict[str, float]]:
    """Cosine of each prompt with each class, which is the mean direction of the words that name it.

    Prompts of which the embedder knows no word are left out. Classes of which it knows no word have cosine 0.
    """
    directions = {label: _mean(embed(list(phrases))) for label, phrases in names.items()}
    vectors = embed([prompt.text for prompt in prompts]).astype(np.float64)
    return {
        prompt.name: {label: float(vector @ direction) for label, direction in directions.items()}
        for prompt, vector in zip(prompts, vectors, strict=True)
        if vector.any()
    }


def _mean(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = vectors.astype(np.float64).mean(axis=0)
    length = np.linalg.norm(mean)
    return mean / length if length > 0 else mean


def with_passages(prompts: Sequence[Prompt], embed: Embed) -> dict[str, float]:
    """Cosine of each prompt that has passages with the nearest of them."""
    resting = [prompt for prompt in prompts if prompt.passages]
    if not resting:
        return {}
    texts = list(dict.fromkeys(passage.text for prompt in resting for passage in prompt.passages))
    place = {text: i for i, text in enumerate(texts)}
    passages = embed(texts).astype(np.float64)
    vectors = embed([prompt.text for prompt in resting]).astype(np.float64)
    return {
        prompt.name: float(max(passages[place[passage.text]] @ vector for passage in prompt.passages))
        for prompt, vector in zip(resting, vectors, strict=True)
    }


def twins(
    prompts: Sequence[Prompt], named: Mapping[str, re.Pattern[str]]
) -> tuple[dict[str, Twin], dict[str, Twin]]:
    """For each prompt the most similar earlier one of its class, and the most similar one of another class.

    Args:
        prompts: all prompts of an artifact, in its order.
        named: for each class, the pattern that finds its words.

    Returns:
        Two mappings by prompt name; a prompt that shares no pair of words with another has no twin.
    """
    likeness = _likenesses([prompt.text for prompt in prompts])
    within: dict[str, Twin] = {}
    across: dict[str, Twin] = {}
    for i, prompt in enumerate(prompts):
        for j in (-likeness[i]).argsort(kind="stable"):
            other = prompts[j]
            if not likeness[i, j] or (prompt.name in within and prompt.name in across):
                break
            twin = Twin(other.name, other.text, float(likeness[i, j]))
            if other.label == prompt.label:
                if j < i:
                    within.setdefault(prompt.name, twin)
            elif prompt.name not in across and not _tells_apart(prompt, other, named):
                across[prompt.name] = twin
    return within, across


def _likenesses(texts: Sequence[str]) -> NDArray[np.float64]:
    """Jaccard index of the word pairs of every two texts, float64 (N, N)."""
    from scipy.sparse import csr_array

    sets = [sorted(shingles(text)) for text in texts]
    index = {pair: i for i, pair in enumerate(sorted({pair for pairs in sets for pair in pairs}))}
    starts = np.cumsum([0, *map(len, sets)])
    columns = np.array([index[pair] for pairs in sets for pair in pairs], dtype=np.int64)
    has = csr_array((np.ones(len(columns)), columns, starts), shape=(len(texts), max(1, len(index))))
    shared = (has @ has.T).toarray()
    sizes = has.sum(axis=1)
    likeness: NDArray[np.float64] = shared / np.maximum(sizes[:, None] + sizes[None, :] - shared, 1)
    return likeness


def _tells_apart(prompt: Prompt, other: Prompt, named: Mapping[str, re.Pattern[str]]) -> bool:
    """Whether one of the two has a word that the other does not have and that names its class."""
    mine, theirs = set(words(prompt.text)), set(words(other.text))
    return any(
        any(set(words(match.group())) & only for match in named[one.label].finditer(one.text))
        for one, only in ((prompt, mine - theirs), (other, theirs - mine))
    )
