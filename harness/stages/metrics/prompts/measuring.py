"""Measurements for the checks from a tokenizer, an embedder and the other prompts, computed once for all prompts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.artifact import ImageTextModel, TextEmbedder, Tokenizer
from harness.errors import StageError

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
    from harness.stages.systems.embeddings.opening import open_embedder

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
